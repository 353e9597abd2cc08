"""Ends a freeze: `/unfreeze production --reason=words`, `/unfreeze agent:login --reason=words`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands import agent_freeze
from handlers.commands.asked import Answer, Asked, Misused, Right, of

USAGE = "/unfreeze production --reason=words"
RIGHT = Right(Role.MAINTAIN, people=True)


async def run(asked: Asked) -> Answer:
    if agent_freeze.meant(asked):
        return await agent_freeze.unfreeze(asked)
    name = asked.environment(USAGE)
    asked.words(1, 1, USAGE)
    if not asked.flag("reason"):
        raise Misused("Say why the freeze ends early.", USAGE)
    return of(await asked.service.releases.unfreeze(asked.ask(name)))
