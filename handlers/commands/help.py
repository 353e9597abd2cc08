"""Lists the commands."""

from __future__ import annotations

from bot.messages.commands import manual
from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right

RIGHT = Right(Role.READ)


async def run(asked: Asked) -> Answer:
    every = asked.table.items()
    return Answer(True, manual((f"/{verb}", one.__doc__ or "", one.RIGHT.words) for verb, one in every))
