"""Gives a lock back; somebody else's needs the right to promote: `/unlock production`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, of

USAGE = "/unlock production"
RIGHT = Right(Role.WRITE, people=True)


async def run(asked: Asked) -> Answer:
    name = asked.environment(USAGE)
    asked.words(1, 1, USAGE)
    return of(await asked.service.releases.unlock(asked.ask(name)))
