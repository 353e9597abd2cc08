"""Goes back to the last verified release, or to the one named: `/rollback production [target] --reason=words`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, of

USAGE = "/rollback production [target] --reason=words"
RIGHT = Right(Role.WRITE, people=True)  # and, beside it, whom the policy names


async def run(asked: Asked) -> Answer:
    name = asked.environment(USAGE)
    target = asked.words(1, 2, USAGE)[1:]
    return of(await asked.service.releases.rollback(asked.ask(name, target[0] if target else None)))
