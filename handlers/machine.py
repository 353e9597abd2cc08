"""What a machine may command: only what the policy gives to agents that it declares by number, and only so often."""

from __future__ import annotations

from bot.agents import declared
from bot.models import Project
from bot.policy import Objection
from bot.service import Service
from bot.store import agents
from handlers.commands.asked import Answer, Asked

MOST = 20  # commands of machines on one pull request within an hour: a loop between two of them ends there
SPAN = 3600.0
READING = frozenset({"help", "status", "logs", "plan", "budget"})
OWN = frozenset({"preview", "redeploy", "cancel", "teardown"})  # on their own pull requests


async def is_declared(service: Service, project: Project, user_id: int, via_app: int | None) -> bool:
    """Whether the policy names this account or app as an agent's."""
    held = await service.policies.held(project)
    return declared(held.effective.agents.identities, user_id, via_app) is not None


async def forbidden(asked: Asked) -> Answer | None:
    """Why a declared agent may not do this; None: the policy gives it to agents."""
    service, actor, verb = asked.service, asked.actor, asked.command.verb
    stop = await service.store.read(agents.stop, asked.project.id, (actor.id,), service.clock())
    if stop is not None:
        words = f"{stop.login or stop.by} froze {actor.login} here: {stop.reason}"
        lift = f'/unfreeze "agent:{actor.login}" --reason="..."'
        return _no(Objection("freeze", "agent_frozen", words, "frozen", "not frozen", lift, "person"))
    may = (await service.policies.held(asked.project)).effective.agents.may
    if verb in READING:
        return None
    if verb in OWN:
        return _own(asked, may.preview)
    if verb in ("promote", "rollback"):
        return _environment(asked, may.promote if verb == "promote" else may.rollback)
    words = f"/{verb} is for people; the policy can't give it to agents."
    return _no(Objection("agent", "agent_not_permitted", words, "an agent", "a person", "Ask a person.", "person"))


def _own(asked: Asked, may: bool) -> Answer | None:
    verb, pull = asked.command.verb, asked.pull
    if not may:
        words = f"The policy gives agents no /{verb}."
        return _no(Objection("agent", "agent_not_permitted", words, "an agent", "a person", "Ask a person.", "person"))
    if pull.author_id == asked.actor.id and not pull.fork:
        return None
    words = f"{asked.actor.login} did not open this pull request: agents use /{verb} on their own only."
    theirs = f"opened by {pull.author}"
    return _no(Objection("agent", "agent_not_permitted", words, theirs, "its own", "Ask a person.", "person"))


def _environment(asked: Asked, allowed: frozenset[str]) -> Answer | None:
    verb, name = asked.command.verb, asked.command.args[0] if asked.command.args else ""
    if name in allowed or not name:  # without a name the command itself says what it lacks
        return None
    words = f"The policy does not give agents /{verb} {name}."
    required = f"one of {', '.join(sorted(allowed))}" if allowed else "a person"
    return _no(Objection("agent", "agent_not_permitted", words, name, required, "Ask a person.", "person"))


def _no(objection: Objection) -> Answer:
    return Answer(False, None, objection.words, objection.reason_code, (objection,), objection.next)
