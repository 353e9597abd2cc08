"""Keeps everybody else from releasing, for two hours or as long as said: `/lock production --reason=words --for=2h`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Misused, Right, of, span

USAGE = "/lock production --reason=words --for=2h"
LONGEST = 7 * 86400.0
RIGHT = Right(Role.WRITE, people=True)


async def run(asked: Asked) -> Answer:
    name = asked.environment(USAGE)
    asked.words(1, 1, USAGE)
    if not asked.flag("reason"):
        raise Misused("A lock needs a reason: who finds it wants to know why.", USAGE)
    seconds = span(asked.flag("for") or "2h", USAGE)
    if seconds > LONGEST:
        raise Misused("A lock lasts seven days at most.", USAGE)
    return of(await asked.service.releases.lock(asked.ask(name), seconds))
