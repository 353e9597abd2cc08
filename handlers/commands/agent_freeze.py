"""The kill switch of one agent: `/freeze agent:login`, `/unfreeze agent:login`; kept by the account's number."""

from __future__ import annotations

import dataclasses

from sqlmodel import Session

from bot.agents import declared
from bot.errands import Errand, cancel, rebuild, rest
from bot.errors import GitHubRefused
from bot.models import AgentFreeze, Deployment, PullRequest
from bot.store import agents
from handlers.commands.asked import Answer, Asked, Misused, refused

PREFIX = "agent:"
USAGE = "/freeze agent:login --reason=words [--for=2d]"
LIFT = "/unfreeze agent:login --reason=words"


@dataclasses.dataclass(frozen=True, slots=True)
class _Account:
    id: int
    login: str


def meant(asked: Asked) -> bool:
    """Whether the command is about an agent, not an environment."""
    return bool(asked.command.args) and asked.command.args[0].startswith(PREFIX)


async def freeze(asked: Asked, until: float | None) -> Answer:
    """Nothing this agent writes is built, run or obeyed here until then, or until somebody lifts it."""
    (name,) = asked.words(1, 1, USAGE)
    reason = asked.flag("reason")
    if not reason:
        raise Misused("A freeze needs a reason: who finds it wants to know why.", USAGE)
    account = await _account(asked, name.removeprefix(PREFIX))
    if isinstance(account, Answer):
        return account
    service, project, now = asked.service, asked.project, asked.service.clock()
    pulls = await service.store.read(agents.pulls_of, project.id, account.id)
    row = AgentFreeze(
        project_id=project.id,
        agent_id=account.id,
        login=account.login,
        reason=reason,
        by_id=asked.actor.id,
        by_login=asked.actor.login,
        at=now,
        until=until,
    )
    why = f"{asked.actor.login} froze the agent {account.login or account.id}: {reason}"

    def write(session: Session) -> None:
        agents.freeze(session, row, asked.entry("agent.frozen", now))

    errands: list[Errand] = []
    for pull, newest in pulls:
        errands += await _stop(asked, pull, newest, why)
    return Answer(True, words=why, apply=write, errands=tuple(errands))


async def unfreeze(asked: Asked) -> Answer:
    """Lift it; what was refused meanwhile is made now."""
    (name,) = asked.words(1, 1, LIFT)
    if not asked.flag("reason"):
        raise Misused("Say why the freeze ends early.", LIFT)
    service, project, now = asked.service, asked.project, asked.service.clock()
    row = await _frozen(asked, name.removeprefix(PREFIX))
    if row is None:
        return refused("nothing_there", f"{name.removeprefix(PREFIX)} is not frozen here.")

    def write(session: Session) -> None:
        entry = asked.entry("agent.unfrozen", now)
        agents.unfreeze(session, project.id, row.agent_id, entry)

    waiting = [
        rebuild(project.id, pull.number, f"{asked.ident}:{pull.number}")
        for pull, newest in await service.store.read(agents.pulls_of, project.id, row.agent_id)
        if newest is not None and (newest.failure or {}).get("reason_code") == "agent_frozen"
    ]
    return Answer(True, apply=write, errands=tuple(waiting))


async def _stop(asked: Asked, pull: PullRequest, newest: Deployment | None, why: str) -> list[Errand]:
    """End what is being built of a pull request, and put to sleep what runs."""
    found = []
    if newest is None or newest.state.working or newest.sha != pull.head_sha:
        lift = f'/unfreeze "{PREFIX}{pull.author}" --reason="..."'
        told = {"by": asked.actor.login, "why": why, "reason_code": "agent_frozen", "next": lift}
        found.append(cancel(asked.project.id, pull.number, f"{asked.ident}:{pull.number}", **told))
    for one in await asked.service.store.read(agents.awake, asked.project.id, pull.number):
        found.append(rest(one.id, "sleep", f"frozen:{asked.ident}", one.active_at))
    return found


async def _account(asked: Asked, who: str) -> _Account | Answer:
    """The account that has this number, or that GitHub gives this login now."""
    if who.isdecimal() and 0 < int(who) < 2**63:
        known = await asked.service.store.read(agents.pulls_of, asked.project.id, int(who))
        return _Account(int(who), known[0][0].author if known else "")
    try:
        raw = await asked.repository.account(who)
    except GitHubRefused as error:
        if error.status != 404:
            raise
        words = f"GitHub knows no account {who}. A bot's login ends in [bot]."
        return refused("unknown_agent", words, f'/freeze "{PREFIX}{who}[bot]" --reason="..."')
    account = _Account(int(raw["id"]), str(raw["login"]))
    if raw.get("type") != "Bot" and not await _works_here(asked, account.id):
        words = f"{who} is not a machine's account, and no machine has worked under it here."
        return refused("unknown_agent", words, f'/freeze "{PREFIX}{who}[bot]" --reason="..."')
    return account


async def _works_here(asked: Asked, account: int) -> bool:
    """A person's account is frozen only where a machine works under it: else the mistake would look like success."""
    held = await asked.service.policies.held(asked.project)
    known = declared(held.effective.agents.identities, account, None)
    return known is not None or bool(await asked.service.store.read(agents.pulls_of, asked.project.id, account))


async def _frozen(asked: Asked, who: str) -> AgentFreeze | None:
    """By number, by the login it had, or by the number behind the login it has now."""
    rows = await asked.service.store.read(agents.frozen, asked.project.id, asked.service.clock())
    for row in rows:
        if who in (str(row.agent_id), row.login) or who.lower() == row.login.lower():
            return row
    if who.isdecimal():
        return None
    try:
        number = (await asked.repository.account(who)).get("id")
    except GitHubRefused:
        return None
    return next((row for row in rows if row.agent_id == number), None)
