"""Stops all promotions, or an agent: `/freeze production --for=2d --reason=words`, `/freeze agent:login ...`."""

from __future__ import annotations

import datetime as dt

from bot.policy import Role
from handlers.commands import agent_freeze
from handlers.commands.asked import Answer, Asked, Misused, Right, of, span

USAGE = "/freeze production --for=2d --reason=words"
RIGHT = Right(Role.MAINTAIN, people=True)


async def run(asked: Asked) -> Answer:
    if agent_freeze.meant(asked):
        ends = asked.flag("for") or asked.flag("until")
        return await agent_freeze.freeze(asked, _until(asked) if ends else None)
    name = asked.environment(USAGE)
    asked.words(1, 1, USAGE)
    if not asked.flag("reason"):
        raise Misused("A freeze needs a reason: who finds it wants to know why.", USAGE)
    return of(await asked.service.releases.freeze(asked.ask(name), _until(asked)))


def _until(asked: Asked) -> float:
    now, length, moment = asked.service.clock(), asked.flag("for"), asked.flag("until")
    if (length is None) == (moment is None):
        raise Misused("Say how long: --for=2d, or --until=2027-01-04T08:00Z.", USAGE)
    if length is not None:
        return now + span(length, USAGE)
    try:
        until = dt.datetime.fromisoformat(moment or "")
    except ValueError:
        raise Misused(f"{moment} is no time: write 2027-01-04T08:00Z.", USAGE) from None
    if until.tzinfo is None or until.timestamp() <= now:
        raise Misused("The end needs a time zone (Z, +01:00) and lies ahead.", USAGE)
    return until.timestamp()
