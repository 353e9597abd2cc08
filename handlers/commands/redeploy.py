"""Builds and starts the head again, whatever became of it before: `/redeploy`."""

from __future__ import annotations

from bot.errands import rebuild
from bot.github.shapes import pull_of
from bot.policy import Role
from bot.store import commands
from handlers.commands.asked import Answer, Asked, Right, refused

RIGHT = Right(Role.WRITE, author=True)


async def run(asked: Asked) -> Answer:
    asked.words(0, 0, "/redeploy")
    pull = pull_of(await asked.repository.pull(asked.pull.number), asked.project.id)
    if pull.state != "open":
        return refused("closed", "The pull request is closed; reopen it first.")
    if pull.fork and not await asked.service.store.read(commands.allowed, asked.project.id, pull.number, pull.head_sha):
        words = "It comes from a fork, and nobody has asked for this commit yet. Read it first."
        return refused("full_commit_required", words, f"/preview {pull.head_sha}")
    return Answer(None, errands=(rebuild(asked.project.id, pull.number, asked.ident, **asked.asked),))
