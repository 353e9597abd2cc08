"""What serves is kept running; what nobody can return to is let go."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from bot.models import Release, Stage
from bot.releases.ground import Ground
from bot.sources import Sources
from bot.store import artifacts, deployments, projects, releases
from bot.telemetry import redact
from runners.base import Artifact, Instance, RunnerError

DRAIN_SECONDS = 10.0  # requests under way on an instance that goes may end; longer ones are cut


class Upkeep:
    """Called by the clock; every step may be repeated."""

    def __init__(self, ground: Ground, sources: Sources) -> None:
        self._ground, self._sources, self._store = ground, sources, ground.store

    async def dead(self, running: Sequence[Instance], *, starting: bool) -> list[Release]:
        """What serves and does not run any more.

        While a release is watched, its death is the watch's business; but when we have just started, the machine
        may have, and then it is nobody's fault."""
        alive = {one.id for one in running}
        return [
            row
            for row in await self._store.read(releases.serving)
            if row.instance and row.instance["id"] not in alive and (starting or row.state is not Stage.VERIFYING)
        ]

    async def revive(self, release: str) -> None:
        """Run what serves again, from its artifact.  Raises StartFailed."""
        ground, row = self._ground, await self._store.read(releases.get, release)
        project = await self._store.read(projects.project, row.project_id) if row else None
        if row is None or project is None or row.instance is None:
            return
        if not any(one.id == release for one in await self._store.read(releases.serving)):
            return
        artifact, old = await ground.artifact(row.artifact), Instance.from_json(row.instance)
        if artifact is None or await ground.runner.healthy(old):
            return
        await ground.runner.stop(old)
        instance = await ground.start(project, row.model_copy(update={"instance": None}), artifact)
        if instance is None:
            return
        target = ground.target(release, artifact, instance)
        routes = {ground.host(project, row.environment): target.as_json()}
        if await self._store.write(releases.revived, release, instance.as_json(), routes):
            await ground.router.point(ground.host(project, row.environment), target)
        else:
            await ground.runner.stop(instance)

    async def log(self, release: Release, lines: int) -> str:
        """The end of what a release printed: of its instance, which it may have taken over, else of its start."""
        text = ""
        if release.instance is not None:
            with contextlib.suppress(RunnerError, OSError):
                text = await self._ground.runner.logs(Instance.from_json(release.instance), lines)
        home = str(self._ground.settings.home.absolute())
        return redact(text).replace(home, "~") or await self._ground.log_end(release.id)

    async def settle(self, project_id: int, environment: str) -> None:
        """Stop instances that an environment needs no more, then forget artifacts that nothing returns to."""
        for release, raw in await self._store.write(releases.idle, project_id, environment):
            await self._ground.router.drained(release, DRAIN_SECONDS)
            await self._ground.runner.stop(Instance.from_json(raw))
        for build in await self._store.write(artifacts.unused, project_id):
            await self._ground.runner.forget(Artifact.from_json(build.record))
            for sha in await self._store.read(artifacts.commits_of, project_id, build.artifact):
                if not await self._store.read(deployments.uses_commit, project_id, sha):
                    await self._sources.forget(project_id, sha)
