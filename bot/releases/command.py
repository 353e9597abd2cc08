"""The release command: what a project wants to be run once before a release of it serves, such as its migrations.

Never for a preview: it would change a database that several share, or production's.  Never at a rollback: the old
code's command can't undo what the new one's did, and a way back must not wait for it.

It is written down before it begins and when it has ended well, so that a delivery that is tried again runs it only if
it did not get that far.  Killed in the middle, it is run again: whether it had finished can't be known, tools for
migrations skip what is done, and a migration that was cut off has to be taken up again.  The log says so.
"""

from __future__ import annotations

import dataclasses

from bot.models import Release
from bot.releases.ask import Ask
from bot.releases.ground import Ground, entry
from bot.store import releases
from runners.base import Artifact


async def prepare(ground: Ground, ask: Ask, release: Release, artifact: Artifact) -> None:
    """Run the release command in the new artifact, unless it has been.  Raises RunFailed.

    It may take as long as a build."""
    command, log = artifact.the_plan().release, ground.log(release.id)
    done = (release.watch or {}).get("command", {})
    if command is None or done.get("ended_at") is not None:
        return
    tries = done.get("tries", 0) + 1
    if tries > 1:
        log.write("The release command was running when Slipway was stopped; it is run again.\n")
    now = ground.clock()
    line = entry("release.command", ask, release, now, after={"command": command, "try": tries})
    await ground.store.write(releases.note_command, release.id, {"tries": tries, "began_at": now}, line)
    launch = await ground.launch(ask.project, release, artifact)
    limits = dataclasses.replace(launch.limits, seconds=ground.settings.build_seconds)
    await ground.runner.run(dataclasses.replace(launch, limits=limits), command, log)
    await ground.store.write(releases.note_command, release.id, {"ended_at": ground.clock()})
