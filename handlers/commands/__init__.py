"""The commands people and agents write: one module each, one line here."""

from __future__ import annotations

from handlers.commands import (
    ack,
    approve,
    budget,
    cancel,
    freeze,
    help,  # noqa: A004  (the command's name)
    hold,
    ignore,
    keep,
    lock,
    logs,
    override,
    plan,
    preview,
    promote,
    redeploy,
    revoke,
    rollback,
    status,
    teardown,
    unfreeze,
    unhold,
    unlock,
)
from handlers.commands.asked import Spoken

COMMANDS: dict[str, Spoken] = {
    "help": help,
    "status": status,
    "logs": logs,
    "preview": preview,
    "redeploy": redeploy,
    "teardown": teardown,
    "cancel": cancel,
    "keep": keep,
    "plan": plan,
    "budget": budget,
    "promote": promote,
    "approve": approve,
    "ack": ack,
    "ignore": ignore,
    "override": override,
    "rollback": rollback,
    "revoke": revoke,
    "hold": hold,
    "unhold": unhold,
    "lock": lock,
    "unlock": unlock,
    "freeze": freeze,
    "unfreeze": unfreeze,
}
