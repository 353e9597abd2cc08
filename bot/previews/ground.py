"""What every recipe of a preview stands on: the books, the backend, the router, and where things are."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.errors import Misconfigured
from bot.hosts import commit_label, pull_label
from bot.models import Deployment, Project, PullRequest, State
from bot.policy.terms import Effective
from bot.settings import Settings
from bot.store import Store, artifacts, deployments, secrets
from bot.store.money import Money
from bot.telemetry import hide, redact
from runners.base import Artifact, Instance, Launch, Limits, Router, Runner, StartFailed, Target
from runners.base.logs import FileLog
from runners.base.targets import target_of

DRAIN_SECONDS = 10.0  # requests under way on an instance that goes may end; longer ones are cut


@dataclasses.dataclass(frozen=True, slots=True)
class Ground:
    """The collaborators that refresh, rest and end share."""

    settings: Settings
    store: Store
    runner: Runner
    router: Router
    clock: Callable[[], float]
    terms: Callable[[Project], Awaitable[Effective]]  # what the policy says of a project now
    money: Money
    scans: bool = False  # whether what a change brings is scanned here

    def log_path(self, deployment: str) -> Path:
        return self.settings.home.absolute() / "logs" / f"{deployment}.log"

    def log(self, deployment: str) -> FileLog:
        """Shown to whoever may see the pull request, so neither secrets nor where our home is belong in it."""
        home = str(self.settings.home.absolute())
        return FileLog(self.log_path(deployment), lambda text: redact(text).replace(home, "~"))

    def pull_host(self, project: Project, pull: PullRequest) -> str:
        return f"{pull_label(pull.number, project.owner, project.name)}.{self.settings.preview_domain}"

    def commit_host(self, project: Project, sha: str) -> str:
        return f"{commit_label(sha, project.owner, project.name)}.{self.settings.preview_domain}"

    async def launch(self, project: Project, pull: PullRequest, deployment: str, artifact: Artifact) -> Launch:
        effective = await self.terms(project)
        given = [effective.isolation] + ([effective.agents.preview] if pull.agent_id is not None else [])
        limits = Limits(
            memory=min([self.settings.memory_mb * 1024 * 1024, *(one.memory for one in given if one.memory)]),
            cpus=min([self.settings.cpus, *(one.cpu for one in given if one.cpu)]),
            seconds=self.settings.start_seconds,
        )
        secret = await self._secrets(project, pull, effective)
        env = {
            **secret,
            "SLIPWAY": "1",
            "SLIPWAY_ENVIRONMENT": "preview",
            "SLIPWAY_PULL_REQUEST": str(pull.number),
            "SLIPWAY_URL": self.settings.preview_url(pull_label(pull.number, project.owner, project.name)),
        }
        return Launch(deployment, artifact, env, limits)

    async def _secrets(self, project: Project, pull: PullRequest, effective: Effective) -> dict[str, str]:
        """What maintainers set for previews; nothing of it for code from a fork, whoever let it run."""
        if pull.fork or effective.isolation.secrets == "none":
            return {}
        try:
            values = await self.store.read(secrets.values, self.settings.home, project.id, "preview")
        except Misconfigured as error:
            raise StartFailed(str(error), step="start", hint="Tell whoever runs this Slipway.") from error
        hide(values.values())
        return values

    def target(self, deployment: str, artifact: Artifact, instance: Instance | None) -> Target:
        """Where the addresses of something live lead."""
        return target_of(deployment, artifact, instance)

    def resting(self, deployment: Deployment, artifact: Artifact | None) -> Target:
        """Where the own address of a replaced commit leads: static files stay, a server wakes when asked for."""
        if artifact is not None and not artifact.the_plan().runs:
            return self.target(deployment.id, artifact, None)
        return Target("instance", deployment.id, asleep=True)

    async def step(self, deployment: Deployment, state: State, words: str, **fields: Any) -> bool:
        """One step forward; False when the deployment has ended meanwhile."""
        now = self.clock()
        return await self.store.write(lambda s: deployments.advance(s, deployment.id, state, words, now, **fields))

    async def point(
        self, standing: deployments.Standing, deployment: Deployment, target: Target, **fields: Any
    ) -> bool:
        """Lead a deployment's own addresses to `target`, in the books and then in the router.

        False: its state has moved on meanwhile, nothing was written."""
        hosts = [self.commit_host(standing.project, deployment.sha)]
        if deployment.state is not State.REPLACED:
            hosts.append(self.pull_host(standing.project, standing.pull))
        routes = dict.fromkeys(hosts, target.as_json())
        seen, now = deployment.state, self.clock()
        mine = await self.store.write(lambda s: deployments.put(s, deployment.id, seen, routes, now, **fields))
        for host in mine or ():
            await self.router.point(host, target)
        return mine is not None

    async def retire(self, project: Project, deployment: Deployment) -> None:
        """Let requests on the instance of a replaced commit end, then stop it; its own address wakes a new one.

        After a crash in between the sweep comes here again."""
        if deployment.instance is None:
            return
        instance = Instance.from_json(deployment.instance)
        await self.router.drained(deployment.id, DRAIN_SECONDS)
        await self.runner.stop(instance)
        rest = self.resting(deployment, await self.artifact(deployment))
        routes = {self.commit_host(project, deployment.sha): rest.as_json()}
        for host in await self.store.write(deployments.emptied, deployment.id, instance.id, routes, self.clock()):
            await self.router.point(host, rest)

    async def artifact(self, deployment: Deployment) -> Artifact | None:
        if deployment.artifact is None:
            return None
        build = await self.store.read(artifacts.build_of, deployment.artifact)
        return Artifact.from_json(build.record) if build else None

    async def standing(self, deployment: Deployment) -> deployments.Standing | None:
        if deployment.number is None:
            return None
        return await self.store.read(deployments.standing, deployment.project_id, deployment.number)
