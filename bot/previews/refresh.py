"""A push to a pull request becomes live."""

from __future__ import annotations

import asyncio
import contextlib

from bot.builds import Builds
from bot.errors import GitHubRefused, SourceUnavailable
from bot.github import GitHub, Repository
from bot.messages.scan import told_secret
from bot.models import Deployment, Project, PullRequest, State
from bot.previews.door import Door, Seen
from bot.previews.ground import Ground
from bot.previews.places import Places
from bot.previews.spending import Spending
from bot.sources import Revision, Sources
from bot.store import agents, artifacts, commands, deployments, pulls, scans, secrets
from bot.telemetry import redact
from runners.base import Artifact, BuildFailed, Failed, Gone, Instance, StartFailed, Target, failures
from runners.base.logs import FileLog, end_of

SECRETS_SECONDS = 30.0
FORK = {
    "reason_code": "fork",
    "step": "admit",
    "message": "This pull request comes from a fork, so its code is not run here unasked.",
}
FORK_NEXT = (
    "Read it. Then somebody with write permission may comment /preview {sha}, which runs this one commit; "
    "or push its commits to a branch of this repository and open the pull request from there."
)


class Refresh:
    """Fetch, detect, build, start, switch; every step is in the books before the next begins."""

    def __init__(self, ground: Ground, github: GitHub, sources: Sources, builds: Builds, places: Places) -> None:
        self._ground, self._github, self._sources, self._builds = ground, github, sources, builds
        self._store, self._door, self._places = ground.store, Door(ground), places
        self._spending = Spending(ground)

    async def __call__(
        self, project: Project, pull: PullRequest, guid: str, *, again: bool = False, by_person: bool = False
    ) -> None:
        """Make the head of a pull request live.  `again`: also when that head has been dealt with already.

        `by_person`: a person asked for it, not a push."""
        now = self._ground.clock()
        project, pull = await self._store.write(pulls.note_pull, project, pull, now)
        standing = await self._store.read(deployments.standing, project.id, pull.number)
        if pull.state != "open" or project.state != "active" or standing is None:
            return
        newest = standing.newest
        if newest and newest.delivery != guid and not again and _settled(newest, pull, now):
            return
        deployment = await self._store.write(deployments.begin, guid, pull, pull.head_sha, now)
        if self._ground.scans:
            await self._store.write(scans.ask, project.id, pull.number, pull.head_sha, guid, now, again=again)
        await self._deploy(project, pull, deployment, by_person=by_person)

    async def show_merge(self, project: Project, pull: PullRequest, sha: str, guid: str) -> None:
        """Make what was merged live where the pull request was: it has other files than what was shown there."""
        now = self._ground.clock()
        project, pull = await self._store.write(pulls.note_pull, project, pull, now)
        if pull.state == "merged" and project.state == "active":
            row = await self._store.write(deployments.begin_merge, guid, pull, sha, now)
            if self._ground.scans:
                await self._store.write(scans.ask, project.id, pull.number, sha, guid, now)
            await self._deploy(project, pull.model_copy(update={"merge_sha": sha}), row, by_person=True)

    async def _deploy(self, project: Project, pull: PullRequest, deployment: Deployment, *, by_person: bool) -> None:
        if not deployment.state.working:
            return  # tried again after it had ended
        try:
            await self._make(project, pull, deployment, by_person=by_person)
        except Failed as failure:
            if not await self._leaks(deployment):  # what gives access away is graver than what does not build
                await self._fail(deployment, failure)
        except SourceUnavailable as error:
            await self._fail(deployment, BuildFailed(str(error), step="fetch", hint="Push again, or re-run the check."))

    async def abandon(self, guid: str, reason: str) -> None:
        """The last try of a delivery failed by a fault of ours or of the machine: its check has to end all the same."""
        deployment = await self._store.read(deployments.of_delivery, guid)
        if deployment is not None and deployment.state.working:
            hint = "Re-run the check; if it stays so, ask whoever runs Slipway."
            await self._fail(deployment, StartFailed(reason, step="slipway", hint=hint))

    async def _make(self, project: Project, pull: PullRequest, deployment: Deployment, *, by_person: bool) -> None:
        ground, log, merged = self._ground, self._ground.log(deployment.id), deployment.sha == pull.merge_sha
        await self._reserve(project, pull, deployment)
        fork = pull.fork and not merged  # what was merged is this repository's own
        if fork and not await self._store.read(commands.allowed, project.id, pull.number, deployment.sha):
            failure = {**FORK, "hint": FORK_NEXT.format(sha=deployment.sha)}
            await ground.step(deployment, State.REFUSED, "not run: it comes from a fork", failure=failure)
            return
        revision = await self._admit(project, pull, deployment, by_person=by_person)
        if revision is None:
            return
        for note in revision.notes:
            log.write(f"note: {note}")
        tree = await self._sources.checkout(project.id, deployment.sha)
        plan = await self._builds.plan(tree)
        words = "building " + " and ".join(one.framework or one.language for one in plan.shown or (plan,))
        await ground.step(deployment, State.BUILDING, words, plan=plan.as_json(), tree=revision.tree_hash)
        apart = f"-fork-{pull.number}" if fork else ""
        async with self._spending.build(deployment, pull.number, plan):
            made = await self._builds.make(project.id, tree, revision.tree_hash, plan, log, apart=apart)
        reused = "same tree, nothing to build" if made.reused else None
        if not await ground.step(deployment, State.STARTING, "starting", artifact=made.artifact.digest, reused=reused):
            return
        if await self._store.read(artifacts.build_of, made.artifact.digest) is None:
            # Another pull request with the same tree was closed just now, and took the build along.
            made = await self._builds.make(project.id, tree, revision.tree_hash, plan, log, apart=apart)
        await self._bring_up(project, pull, deployment, made.artifact, log)

    async def _admit(
        self, project: Project, pull: PullRequest, deployment: Deployment, *, by_person: bool
    ) -> Revision | None:
        """The files of the head, when its author may have a preview; None: it has ended, with the reason.

        Where nothing depends on who wrote it, that is found out beside the fetch."""
        ground, door, effective = self._ground, self._door, await self._ground.terms(project)
        repository = self._github.repository(project.installation_id, project.id, project.full_name)

        async def enter(*, sure: bool) -> Seen | None:
            seen = await door.look(repository, pull, deployment, effective, sure=sure)
            if seen.late:  # the newer head has a delivery of its own, or the sweep finds it
                await ground.step(deployment, State.CANCELLED, "a newer commit is there")
                return None
            let_in = await door.admit(deployment, effective, by_person=by_person or seen.by_person)
            return seen if let_in else None

        first = await door.binding(effective, pull)
        if first and await enter(sure=True) is None:
            return None
        if not await self._spending.admit(deployment, pull.number):
            return None
        await ground.step(deployment, State.FETCHING, "fetching")
        fetched = self._fetch(project, repository, deployment.sha, pull)
        if first:
            return await fetched
        revision, seen = await asyncio.gather(fetched, enter(sure=False))
        return revision if seen is not None else None

    async def _bring_up(
        self, project: Project, pull: PullRequest, deployment: Deployment, artifact: Artifact, log: FileLog
    ) -> None:
        ground = self._ground
        standing = await self._store.read(deployments.standing, project.id, pull.number)
        former = standing.serving if standing else None
        instance = await self._inherit(former, artifact) if former else None
        started: Instance | None = None
        async with contextlib.AsyncExitStack() as held:
            if instance is None and artifact.the_plan().runs:
                ours = standing.pull if standing else pull
                denied = await held.enter_async_context(self._places.place(project, deployment, ours.agent_id))
                if denied is not None:
                    await self._store.write(agents.refuse, deployment.id, denied, ground.clock())
                    return
                launch = await ground.launch(project, ours, deployment.id, artifact)
                instance = started = await ground.runner.start(launch, log)
            await self._go_live(project, pull, deployment, artifact, instance, former, started)

    async def _leaks(self, deployment: Deployment) -> bool:
        """Whether the change brings a secret that gives access: then it has ended with that, and is not shown.

        The scan runs beside the build.  Nobody waits longer than this for it: the check fails all the same."""
        if not self._ground.scans or deployment.number is None:
            return False
        key, clock = (deployment.project_id, deployment.number, deployment.sha), asyncio.get_running_loop().time
        until = clock() + SECRETS_SECONDS
        seen = self._store.changed
        while await self._store.read(scans.pending, key) and clock() < until:
            await self._store.wait_changed(seen, until - clock())
            seen = self._store.changed
        report = await self._store.read(scans.leaked, key, self._ground.clock())
        if report is None:
            return False
        await self._ground.step(
            deployment, State.REFUSED, "not started: it holds a secret", failure=told_secret(report, deployment.sha)
        )
        return True

    async def _go_live(
        self,
        project: Project,
        pull: PullRequest,
        deployment: Deployment,
        artifact: Artifact,
        instance: Instance | None,
        former: Deployment | None,
        started: Instance | None,
    ) -> None:
        live = False
        try:
            live = not await self._leaks(deployment) and await self._switch(
                project, pull, deployment, artifact, instance, former
            )
        finally:
            if started is not None and not live:
                await asyncio.shield(self._undo(deployment, started))

    async def _undo(self, deployment: Deployment, started: Instance) -> None:
        """Stop what was started in vain.  A switch that was cancelled on its way may have been made all the same."""
        row = await self._store.write(deployments.get, deployment.id)  # written, so that the switch comes before it
        if row is None or (row.instance or {}).get("id") != started.id:
            await self._ground.runner.stop(started)

    async def _switch(
        self,
        project: Project,
        pull: PullRequest,
        deployment: Deployment,
        artifact: Artifact,
        instance: Instance | None,
        former: Deployment | None,
    ) -> bool:
        """Lead the addresses to what is new, then let the former end.  False: closed meanwhile, nothing done."""
        ground = self._ground
        target = ground.target(deployment.id, artifact, instance)
        routes = dict.fromkeys((ground.pull_host(project, pull), ground.commit_host(project, deployment.sha)), target)
        if former and former.sha != deployment.sha:
            routes[ground.commit_host(project, former.sha)] = ground.resting(former, await ground.artifact(former))
        raw = {host: where.as_json() for host, where in routes.items()}
        fields = {"instance": instance.as_json() if instance else None, "runner": ground.runner.name}
        now = ground.clock()
        replaced = await self._store.write(lambda s: deployments.go_live(s, deployment.id, raw, now, **fields))
        if replaced is None:
            return False
        for host, where in routes.items():
            await ground.router.point(host, where)
        for old in replaced:
            await ground.retire(project, old)
        return True

    async def _inherit(self, former: Deployment, artifact: Artifact) -> Instance | None:
        """The former instance, when it runs exactly what is asked for and answers."""
        if former.artifact != artifact.digest or former.instance is None:
            return None
        changed = await self._store.read(secrets.changed_at, former.project_id, "preview")
        if changed >= former.received_at:
            return None  # it was started with other values
        instance = Instance.from_json(former.instance)
        with contextlib.suppress(Gone):
            if former.state is State.ASLEEP:
                await self._ground.runner.wake(instance)
            if await self._ground.runner.healthy(instance):
                return instance
        return None

    async def _reserve(self, project: Project, pull: PullRequest, deployment: Deployment) -> None:
        """The address answers from the first second: with the progress, or with what has been live until now."""
        page = Target(
            "page",
            deployment.id,
            state=deployment.state.value,
            title=f"{project.full_name} #{pull.number} · {deployment.sha[:7]}",
            lines=tuple(words for _at, words in deployment.timeline),
            log=str(self._ground.log_path(deployment.id)),
        ).as_json()
        moving, fixed = self._ground.pull_host(project, pull), self._ground.commit_host(project, deployment.sha)
        await self._store.write(deployments.reserve, (moving, fixed), deployment.id, page)

    async def _fail(self, deployment: Deployment, failure: Failed) -> None:
        """Told with step, place and the log's end.  What was live stays live."""
        log = await asyncio.to_thread(end_of, self._ground.log_path(deployment.id))
        told = {
            "reason_code": f"{failure.step}_failed",
            "step": failure.step,
            "message": redact(str(failure)),
            "hint": redact(failure.hint) or None,
            "path": failure.path,
            "line": failure.line,
            "class": failures.kind(str(failure), log),
            "log": log[-4000:],
        }
        await self._ground.step(deployment, State.FAILED, redact(f"failed: {failure}")[:300], failure=told)
        await self._ground.money.ended(deployment.id)

    async def _fetch(self, project: Project, repository: Repository, sha: str, pull: PullRequest) -> Revision:
        try:
            token = await repository.git_token()
        except GitHubRefused as error:
            raise SourceUnavailable(f"GitHub gave no access to {project.full_name}: {error}") from error
        ref = None if sha == pull.merge_sha else f"refs/pull/{pull.number}/head"
        return await self._sources.fetch(project.id, project.full_name, sha, token, ref=ref)


def _settled(deployment: Deployment, pull: PullRequest, now: float) -> bool:
    """The head has been dealt with; hearing of it again (a second event, the sweep) asks for nothing new."""
    if deployment.sha != pull.head_sha:
        return False
    again = (deployment.failure or {}).get("retry_at")
    if deployment.state is State.REFUSED and again is not None:
        return bool(now < again)
    stopped = deployment.state is State.CANCELLED and deployment.failure is not None
    if deployment.state is State.REMOVED or stopped:  # while it was open: only opening it again undoes that unasked
        return deployment.ended_at is not None and deployment.ended_at > pull.opened_at
    return deployment.state in (State.LIVE, State.ASLEEP, State.FAILED, State.REFUSED)
