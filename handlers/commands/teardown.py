"""Removes the preview; a push or `/preview` brings it back: `/teardown`."""

from __future__ import annotations

from bot.errands import remove
from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right

RIGHT = Right(Role.WRITE, author=True)


async def run(asked: Asked) -> Answer:
    asked.words(0, 0, "/teardown")
    return Answer(None, errands=(remove(asked.project.id, asked.pull.number, asked.ident, **asked.asked),))
