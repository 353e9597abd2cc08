"""Shows what is live where, and who keeps others from deploying: `/status`, `/status production`."""

from __future__ import annotations

from bot.messages.commands import status
from bot.policy import Role
from bot.store import agents, commands, deployments
from handlers.commands.asked import Answer, Asked, Right

RIGHT = Right(Role.READ)


async def run(asked: Asked) -> Answer:
    only = asked.words(0, 1, "/status [environment]")
    store, pull = asked.service.store, asked.pull
    standing = await store.read(deployments.standing, asked.project.id, pull.number)
    every = await store.read(commands.environments, asked.project.id)
    shown = [one for one in every if not only or one[0].name in only]
    newest, serving = (standing.newest, standing.serving) if standing else (None, None)
    url = asked.service.previews.url(asked.project, pull)
    now = asked.service.clock()
    frozen = await store.read(agents.frozen, asked.project.id, now)
    return Answer(True, status(pull, newest, serving, url, shown, now, frozen))
