"""Lifts a hold, also the one that a rollback set: `/unhold production`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, of

USAGE = "/unhold production"
RIGHT = Right(Role.MAINTAIN, people=True)


async def run(asked: Asked) -> Answer:
    name = asked.environment(USAGE)
    asked.words(1, 1, USAGE)
    return of(await asked.service.releases.unhold(asked.ask(name)))
