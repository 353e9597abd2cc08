"""Stops all promotions to an environment until `/unhold`: `/hold production --reason=words`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, environment, of

USAGE = "/hold [environment] --reason=words"
RIGHT = Right(Role.TRIAGE)


async def run(asked: Asked) -> Answer:
    named = asked.words(0, 1, USAGE)
    return of(await asked.service.releases.hold(asked.ask(environment(named[0] if named else "production", USAGE))))
