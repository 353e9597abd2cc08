"""Releases what the preview shows, by digest and never built again: `/promote production [target]`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, of

USAGE = "/promote production [target]"
RIGHT = Right(Role.WRITE, people=True)  # and, beside it, whom the policy names


async def run(asked: Asked) -> Answer:
    name = asked.environment(USAGE)
    target = asked.words(1, 2, USAGE)[1:]
    return of(await asked.service.releases.promote(asked.ask(name, target[0] if target else None)))
