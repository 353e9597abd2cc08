"""Stops the build, be it queued or running: `/cancel`."""

from __future__ import annotations

from bot.errands import cancel
from bot.policy import Role
from bot.store import deliveries, deployments
from handlers.commands.asked import Answer, Asked, Right, refused

RIGHT = Right(Role.WRITE, author=True)


async def run(asked: Asked) -> Answer:
    asked.words(0, 0, "/cancel")
    store, number = asked.service.store, asked.pull.number
    standing = await store.read(deployments.standing, asked.project.id, number)
    waiting = await store.read(deliveries.under_way, f"{asked.project.id}#{number}:refresh")
    working = standing is not None and standing.newest is not None and standing.newest.state.working
    if not waiting and not working:
        return refused("nothing_there", "Nothing of this pull request is being built.")
    return Answer(None, errands=(cancel(asked.project.id, number, asked.ident, **asked.asked),))
