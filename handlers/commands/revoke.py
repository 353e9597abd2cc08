"""Keeps a release from ever running again: `/revoke production abc1234 --reason=words`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Misused, Right, of

USAGE = "/revoke production target --reason=words"
RIGHT = Right(Role.WRITE, people=True)  # and, beside it, whom the policy names


async def run(asked: Asked) -> Answer:
    name = asked.environment(USAGE)
    _name, target = asked.words(2, 2, USAGE)
    if asked.flag("reason") is None:
        raise Misused("Say why: whoever wants to go back there will ask.", USAGE)
    return of(await asked.service.releases.revoke(asked.ask(name, target)))
