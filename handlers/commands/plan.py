"""Says what a promotion would be told now, rule by rule; nothing happens: `/plan production`."""

from __future__ import annotations

from bot.messages.commands import verdict
from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, environment

USAGE = "/plan [environment] [target]"
RIGHT = Right(Role.WRITE)


async def run(asked: Asked) -> Answer:
    named = asked.words(0, 2, USAGE)
    name = environment(named[0] if named else "production", USAGE)
    outcome = await asked.service.releases.plan(asked.ask(name, named[1] if len(named) > 1 else None))
    return Answer(True, verdict(name, outcome.words, outcome.done, outcome.objections), objections=outcome.objections)
