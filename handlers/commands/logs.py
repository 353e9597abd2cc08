"""Shows the end of the log of the newest preview, or of what an environment runs: `/logs`, `/logs production`."""

from __future__ import annotations

from bot.messages.commands import LOG_LINES, log_end
from bot.policy import Role
from bot.store import commands, deployments
from handlers.commands.asked import Answer, Asked, Right, environment, refused

USAGE = "/logs [environment]"
RIGHT = Right(Role.READ)


async def run(asked: Asked) -> Answer:
    named = asked.words(0, 1, USAGE)
    if named and named[0] != "preview":
        return await _of_environment(asked, environment(named[0], USAGE))
    standing = await asked.service.store.read(deployments.standing, asked.project.id, asked.pull.number)
    if standing is None or standing.newest is None:
        return refused("nothing_there", "Nothing has been built of this pull request yet.", "/preview")
    text, url = await asked.service.previews.log(standing.newest.id)
    return Answer(True, log_end(standing.newest.sha, text, url))


async def _of_environment(asked: Asked, name: str) -> Answer:
    for one, release in await asked.service.store.read(commands.environments, asked.project.id):
        if one.name == name and release is not None:
            # No link: a release's id stands in comments, and production's whole log is not for all who read them.
            return Answer(True, log_end(release.sha, await asked.service.releases.log(release, LOG_LINES)))
    return refused("nothing_there", f"Nothing has been released to {name} yet.", f"/promote {name}")
