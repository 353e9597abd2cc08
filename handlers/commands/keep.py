"""Keeps the preview although nobody opens it, for at most thirty days: `/keep 3d`."""

from __future__ import annotations

from sqlmodel import Session

from bot.policy import Role
from bot.store import commands
from handlers.commands.asked import Answer, Asked, Misused, Right, span

USAGE = "/keep 3d"
LONGEST = 30 * 86400.0
RIGHT = Right(Role.WRITE, author=True)


async def run(asked: Asked) -> Answer:
    (text,) = asked.words(1, 1, USAGE)
    seconds = span(text, USAGE)
    if seconds > LONGEST:
        raise Misused("A preview is kept for thirty days at most.", USAGE)
    now = asked.service.clock()
    until = now + seconds

    def keep(session: Session) -> None:
        entry = asked.entry("preview.kept", now, after={"until": int(until)})
        commands.keep(session, asked.project.id, asked.pull.number, until, entry)

    return Answer(True, apply=keep)
