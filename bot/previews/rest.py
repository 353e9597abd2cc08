"""A preview sleeps, wakes, expires, closes."""

from __future__ import annotations

import contextlib
import datetime as dt

from bot.budgets import Over
from bot.errors import TryLater
from bot.messages.money import asleep
from bot.models import Deployment, Project, PullRequest, State
from bot.previews.ground import DRAIN_SECONDS, Ground
from bot.previews.places import Places
from bot.previews.spending import FROZEN, UNPAID
from bot.sources import Sources
from bot.store import agents, deployments, pulls
from runners.base import Artifact, Gone, Instance, Target

AGAIN_SECONDS = 5.0  # until a sleeping preview that found no place is woken again


class Rest:
    """All that happens to a preview without a push."""

    def __init__(self, ground: Ground, sources: Sources) -> None:
        self._ground, self._sources, self._store = ground, sources, ground.store
        self.places = Places(ground, self.sleep)

    async def close(self, project: Project, pull: PullRequest, guid: str | None = None) -> None:
        """Remove everything of a pull request, look again, and keep the receipt."""
        project, pull = await self._store.write(pulls.note_pull, project, pull, self._ground.clock())
        if pull.state == "open":
            return  # it was opened again meanwhile
        now = self._ground.clock()
        rows = await self._store.write(deployments.closing, pull.project_id, pull.number, now, guid)
        await self._remove(project, pull, rows, None if pull.merge_sha else "closed")
        for one in await self._left(rows):  # somebody opened it just now and it was being woken
            await self._ground.runner.stop(one)
        left = await self._left(rows)
        now = self._ground.clock()
        await self._store.write(deployments.closed, pull.project_id, pull.number, not left, now, guid)

    async def expire(self, deployment_id: str, last: float | None = None, guid: str | None = None) -> None:
        """Nobody came for a long time: remove it; a push or a re-run brings it back.

        `last`: when somebody came, as the clock saw it; who came after that keeps it."""
        ground, deployment = self._ground, await self._store.read(deployments.get, deployment_id)
        standing = await ground.standing(deployment) if deployment else None
        if deployment is None or standing is None or standing.newest is None:
            return
        project, pull = standing.project, standing.pull
        if last is not None and deployment.active_at > last:
            return
        if deployment.state is State.REPLACED:  # its own address only: a newer commit may be visited every day
            now = ground.clock()
            rows = await self._store.write(
                deployments.expiring, project.id, pull.number, now, guid, states=(State.REPLACED,), only=deployment_id
            )
            await self._remove(project, pull, rows, None)
        elif not standing.newest.state.working:
            await self.remove(project, pull, guid, all_of_it=False)

    async def remove(
        self, project: Project, pull: PullRequest, guid: str | None = None, *, all_of_it: bool = True
    ) -> None:
        """Remove what there is of a pull request that stays open."""
        states = (*deployments.HOLDING, *deployments.WORKING) if all_of_it else deployments.HOLDING
        now = self._ground.clock()
        rows = await self._store.write(deployments.expiring, project.id, pull.number, now, guid, states=states)
        await self._remove(project, pull, rows, "removed")

    async def rename(self, project: Project) -> None:
        """The repository has a new name: what is live answers under it too; the old addresses go on."""
        for deployment in await self._store.read(deployments.held):
            standing = await self._ground.standing(deployment)
            raw = await self._store.read(deployments.target_of, deployment.id)
            if deployment.project_id == project.id and standing is not None and raw is not None:
                await self._ground.point(standing, deployment, Target.from_json(raw))

    async def sleep(self, deployment_id: str) -> None:
        """Take an idle preview's processor away.  Routes first: a request that comes meanwhile wakes it again."""
        ground, deployment = self._ground, await self._store.read(deployments.get, deployment_id)
        if deployment is None or deployment.state not in (State.LIVE, State.REPLACED):
            return
        standing = await ground.standing(deployment)
        if deployment.instance is None or standing is None:
            return
        instance = Instance.from_json(deployment.instance)
        if deployment.state is State.REPLACED:  # woken by its own address: nothing to keep warm
            rest = ground.resting(deployment, await ground.artifact(deployment))
            if await ground.point(standing, deployment, rest):
                await ground.retire(standing.project, deployment)
            return
        target = Target("instance", deployment.id, host=instance.host, port=instance.port, asleep=True)
        target = await self._barred(standing, deployment) or target
        if not await ground.point(standing, deployment, target, state=State.ASLEEP):
            return
        await ground.router.drained(deployment.id, DRAIN_SECONDS)
        with contextlib.suppress(Gone):
            await ground.runner.sleep(instance)

    async def wake(self, deployment_id: str) -> None:
        """Run again what sleeps or has died, from the artifact when nothing of it is left."""
        ground, deployment = self._ground, await self._store.read(deployments.get, deployment_id)
        if deployment is None or deployment.state not in deployments.HOLDING:
            return
        standing, artifact = await ground.standing(deployment), await ground.artifact(deployment)
        if standing is None or artifact is None:
            return
        if not artifact.the_plan().runs:
            await self._start_again(standing, deployment, artifact)
            return
        frozen = await self._frozen(standing, deployment)
        if frozen is not None:
            if deployment.state is State.ASLEEP:
                await ground.point(standing, deployment, frozen)
            return
        over = await ground.money.wake(standing.project.id, standing.pull.number, deployment.id)
        if over is not None:
            if deployment.state is State.ASLEEP:
                await ground.point(standing, deployment, self._unpaid(standing, deployment, over))
            return
        async with self.places.place(standing.project, deployment, deployment.agent_id) as denied:
            if denied is None:
                await self._start_again(standing, deployment, artifact)
            elif denied.again is not None:  # all others are just being started: soon one can sleep, or has failed
                again = dt.datetime.fromtimestamp(ground.clock() + AGAIN_SECONDS, dt.UTC)
                raise TryLater(denied.objection.words, again)

    async def _start_again(self, standing: deployments.Standing, deployment: Deployment, artifact: Artifact) -> None:
        ground, instance = self._ground, await self._awake(deployment)
        started = instance is None and artifact.the_plan().runs
        if started:
            launch = await ground.launch(standing.project, standing.pull, deployment.id, artifact)
            instance = await ground.runner.start(launch, ground.log(deployment.id))
        state = State.REPLACED if deployment.state is State.REPLACED else State.LIVE
        target = ground.target(deployment.id, artifact, instance)
        raw = instance.as_json() if instance else None
        done = await ground.point(standing, deployment, target, state=state, instance=raw, active_at=ground.clock())
        if not done and started and instance is not None:
            await ground.runner.stop(instance)

    async def renewed(self, deployment_id: str) -> None:
        """No request wakes it: once there is money again, or its author is not frozen any more, the next one does."""
        ground, deployment = self._ground, await self._store.read(deployments.get, deployment_id)
        standing = await ground.standing(deployment) if deployment else None
        if deployment is None or standing is None or deployment.state is not State.ASLEEP:
            return
        if await self._barred(standing, deployment) is None:
            await ground.point(standing, deployment, Target("instance", deployment.id, asleep=True))

    async def _barred(self, standing: deployments.Standing, deployment: Deployment) -> Target | None:
        """The page of a preview that no request wakes."""
        over = await self._ground.money.exhausted(standing.project.id, standing.pull.number)
        return self._unpaid(standing, deployment, over) if over else await self._frozen(standing, deployment)

    async def _frozen(self, standing: deployments.Standing, deployment: Deployment) -> Target | None:
        """The page of a preview whose author is a machine that somebody froze."""
        pull, now = standing.pull, self._ground.clock()
        stop = await self._store.read(agents.stop_of, pull.project_id, pull.number, now)
        if stop is None:
            return None
        title = f"{standing.project.full_name} #{pull.number} · {deployment.sha[:7]}"
        line = f"{stop.login} froze {pull.author}: {stop.reason}"
        return Target("page", deployment.id, state=FROZEN, title=title, lines=(line,))

    def _unpaid(self, standing: deployments.Standing, deployment: Deployment, over: Over) -> Target:
        """The page of a preview that sleeps because its budget is used up: no request wakes it."""
        title = f"{standing.project.full_name} #{standing.pull.number} · {deployment.sha[:7]}"
        return Target("page", deployment.id, state=UNPAID, title=title, lines=asleep(over, self._ground.money.currency))

    async def note_gone(self, deployment_id: str, instance_id: str) -> None:
        """Its instance has died: the next request starts it again."""
        ground, deployment = self._ground, await self._store.read(deployments.get, deployment_id)
        standing = await ground.standing(deployment) if deployment else None
        if deployment is None or standing is None or (deployment.instance or {}).get("id") != instance_id:
            return
        await ground.runner.stop(Instance.from_json(deployment.instance or {}))
        state = State.REPLACED if deployment.state is State.REPLACED else State.ASLEEP
        await ground.point(
            standing, deployment, Target("instance", deployment.id, asleep=True), state=state, instance=None
        )

    async def _awake(self, deployment: Deployment) -> Instance | None:
        """The instance it has, awake and answering; what does not answer is stopped."""
        if deployment.instance is None:
            return None
        instance = Instance.from_json(deployment.instance)
        with contextlib.suppress(Gone):
            await self._ground.runner.wake(instance)
            if await self._ground.runner.healthy(instance):
                return instance
        await self._ground.runner.stop(instance)
        return None

    async def _remove(self, project: Project, pull: PullRequest, rows: list[Deployment], state: str | None) -> None:
        """`state`: what the page at the pull request's address says from now on; None leaves that address alone."""
        ground = self._ground
        if not rows:
            return
        moving = ground.pull_host(project, pull)
        page = Target("page", rows[-1].id, state=state or "", title=f"{project.full_name} #{pull.number}")
        told = page.as_json() if state else None
        gone = await self._store.write(deployments.unroute, [row.id for row in rows], moving, told)
        for host in gone:
            await ground.router.drop(host)
        if state:
            await ground.router.point(moving, page)
        for row in rows:
            if row.instance is not None:
                await ground.runner.stop(Instance.from_json(row.instance))
        for build in await self._store.write(deployments.emptied_all, rows):
            await ground.runner.forget(Artifact.from_json(build.record))
        for sha in {row.sha for row in rows}:
            if not await self._store.read(deployments.uses_commit, project.id, sha):
                await self._sources.forget(project.id, sha)

    async def _left(self, rows: list[Deployment]) -> list[Instance]:
        ids = {row.id for row in rows} | {row.instance["id"] for row in rows if row.instance}
        return [one for one in await self._ground.runner.instances() if {one.id, one.deployment} & ids]
