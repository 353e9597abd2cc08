"""What every recipe of a release stands on, and the one way from an artifact to what an environment serves."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot import errands
from bot.audit import Entry, Ruling
from bot.errors import Misconfigured
from bot.github import GitHub, Repository
from bot.hosts import environment_label
from bot.models import Environment, Project, Release, Stage
from bot.permissions import role_of, teams_of
from bot.permissions.policies import Policies
from bot.policy import ROLLBACK, Facts, Objection, Stop, Stops, judge
from bot.policy.terms import Effective
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.verdict import Watch
from bot.settings import Settings
from bot.store import Store, artifacts, environments, releases, secrets
from bot.telemetry import hide, redact
from runners.base import Artifact, Gone, Instance, Launch, Limits, Router, Runner, StartFailed, Target
from runners.base.logs import FileLog, end_of
from runners.base.targets import target_of

PRODUCTION = "production"
WATCHED = ("interval", "fail_after", "min_samples", "window")  # fields of a policy's `health` and of `Watch`
LEASE_SECONDS = 60.0  # beyond what a start may take; a killed process keeps others waiting no longer
LOG_LINES = 30  # of evidence


@dataclasses.dataclass(frozen=True, slots=True)
class Ground:
    """The collaborators that promote, rollback and watch share."""

    settings: Settings
    store: Store
    github: GitHub
    runner: Runner
    router: Router
    clock: Callable[[], float]
    watch: Watch
    policies: Policies
    scans: bool = False  # whether what a change brings is scanned here

    def repository(self, project: Project) -> Repository:
        return self.github.repository(project.installation_id, project.id, project.full_name)

    def host(self, project: Project, environment: str) -> str:
        label = environment_label(environment, project.owner, project.name)
        return f"{label}.{self.settings.preview_domain}"

    def url(self, project: Project, environment: str) -> str:
        return self.settings.preview_url(environment_label(environment, project.owner, project.name))

    async def watching(self, project: Project, environment: str) -> Watch:
        """How releases there are watched: as the policy says, else as it is usual."""
        effective = (await self.policies.held(project)).effective
        health, decided = effective.terms(environment).health, effective.decided
        told = {
            name: getattr(health, name) for name in WATCHED if f"environments.{environment}.health.{name}" in decided
        }
        return dataclasses.replace(self.watch, **told)

    async def health_path(self, project: Project, environment: str) -> str | None:
        """What the policy has asked there, to see whether it is well; None: what was detected."""
        return (await self.policies.held(project)).effective.terms(environment).health.path

    def log_path(self, release: str) -> Path:
        return self.settings.home.absolute() / "logs" / f"{release}.log"

    def log(self, release: str) -> FileLog:
        home = str(self.settings.home.absolute())
        return FileLog(self.log_path(release), lambda text: redact(text).replace(home, "~"))

    async def log_end(self, release: str) -> str:
        text = await asyncio.to_thread(end_of, self.log_path(release))
        return "\n".join(text.splitlines()[-LOG_LINES:])

    def line(self, what: str, ask: Ask, now: float) -> Entry:
        """The line in the books about what is asked of an environment, whatever it serves."""
        return Entry(
            what,
            now,
            project_id=ask.project.id,
            number=ask.number,
            environment=ask.environment,
            actor=ask.actor,
            delivery=ask.guid,
            comment_id=ask.comment_id,
            comment_hash=ask.comment_hash,
        )

    async def deployer(self, ask: Ask, env: Environment) -> Outcome | None:
        """Why somebody may not change what serves, whatever keeps promotions away; None: they may."""
        repository = self.repository(ask.project)
        role, held = await asyncio.gather(
            role_of(repository, ask.actor.login, ask.actor.id), self.policies.held(ask.project)
        )
        found = dataclasses.replace(
            asker(ask, held.effective, stops(env, held=False, now=self.clock())), actor_role=role, verb="rollback"
        )
        teams = await teams_of(repository, ask.actor.login, found.terms.deployers)
        objections = judge(dataclasses.replace(found, actor_teams=teams), ROLLBACK)
        return objected(objections) if objections else None

    async def launch(self, project: Project, release: Release, artifact: Artifact) -> Launch:
        """Nothing of a preview's environment: it must not know that it was one."""
        name, artifact = release.environment, alone(artifact)
        path = await self.health_path(project, name)
        if path is not None:
            artifact = dataclasses.replace(artifact, plan={**artifact.plan, "health": path})
        limits = Limits(
            memory=self.settings.memory_mb * 1024 * 1024, cpus=self.settings.cpus, seconds=self.settings.start_seconds
        )
        try:
            secret = await self.store.read(secrets.values, self.settings.home, project.id, name)
        except Misconfigured as error:
            raise StartFailed(str(error), step="start", hint="Tell whoever runs this Slipway.") from error
        hide(secret.values())
        env = {**secret, "SLIPWAY": "1", "SLIPWAY_ENVIRONMENT": name, "SLIPWAY_URL": self.url(project, name)}
        return Launch(release.id, artifact, env, limits)

    def target(self, release: str, artifact: Artifact, instance: Instance | None) -> Target:
        return target_of(release, artifact, instance, robots=True)

    async def artifact(self, digest: str | None) -> Artifact | None:
        build = await self.store.read(artifacts.build_of, digest) if digest else None
        return Artifact.from_json(build.record) if build else None

    async def start(self, project: Project, release: Release, artifact: Artifact) -> Instance | None:
        """The instance of a release: the one that is still warm, else a new one; static files need none.

        A warm one that does not answer has no row from the switch on, so the sweep stops it.  Raises StartFailed."""
        if not artifact.the_plan().runs:
            return None
        if release.instance is not None:
            warm = Instance.from_json(release.instance)
            with contextlib.suppress(Gone):
                if await self.runner.healthy(warm):
                    return warm
        return await self.runner.start(await self.launch(project, release, artifact), self.log(release.id))

    async def serve(
        self,
        ask: Ask,
        release: Release,
        lease: environments.Lease,
        artifact: Artifact,
        instance: Instance | None,
        **how: Any,
    ) -> Release | environments.No:
        """The only switch: routes and rows in one transaction, then the router.  The former goes on running."""
        watch = await self.watching(ask.project, ask.environment)
        now, host = self.clock(), self.host(ask.project, ask.environment)
        target = self.target(release.id, artifact, instance)
        change = releases.Switch(
            lease=lease,
            routes={host: target.as_json()},
            instance=instance.as_json() if instance else None,
            errands=(
                (errands.watch(release.id, 0), now + watch.interval),
                (errands.settle(ask.project.id, ask.environment, release.id), 0.0),
            ),
            asked_on=ask.number,
            **how,
        )
        switched = await self.store.write(releases.switch, release.id, change, now)
        if isinstance(switched, Release):
            await self.router.point(host, target)
        return switched

    async def undo(self, release: str, instance: Instance) -> None:
        """Stop an instance that was started for nothing.  Asked of the writer, so that a switch under way has ended."""
        row = await self.store.write(releases.get, release)
        if row is None or row.state is Stage.RELEASING or (row.instance or {}).get("id") != instance.id:
            await self.runner.stop(instance)

    async def done(self, ask: Ask, release: Release, words: str) -> Outcome:
        took = (release.live_at or self.clock()) - ask.received_at
        return Outcome(
            done=True, words=words, release=release.id, url=self.url(ask.project, ask.environment), seconds=took
        )

    async def told(self, ask: Ask, release: Release) -> Outcome:
        """What became of a release that this very delivery made before it was tried again."""
        if release.state in (Stage.FAILED, Stage.REVOKED) and release.live_at is None:
            failure = release.failure or {}
            return refused(str(failure.get("reason_code", "health_failed")), str(failure.get("message", "It failed.")))
        return await self.done(ask, release, f"{ask.environment} serves `{release.sha[:7]}`.")


def asker(ask: Ask, effective: Effective, standing: Stops) -> Facts:
    """What is known of a question before anybody is asked."""
    actor = ask.actor
    return Facts(
        ask.environment,
        actor.id,
        actor.login,
        actor.kind == "person" and actor.via_app is None,
        stops=standing,
        policy=effective,
        actor_agent=actor.agent,
    )


def entry(what: str, ask: Ask, release: Release, now: float, rules: Sequence[str] = (), **more: Any) -> Entry:
    """The line in the books about one effect on an environment."""
    shas = {"head": release.sha} | ({"tree": release.tree} if release.tree else {})
    return Entry(
        what,
        now,
        project_id=release.project_id,
        number=release.number,
        environment=release.environment,
        actor=ask.actor,
        delivery=ask.guid,
        comment_id=ask.comment_id,
        comment_hash=ask.comment_hash,
        shas=shas,
        artifact=release.artifact,
        verdict=[Ruling(rule, allowed=True) for rule in rules],
        **more,
    )


def stops(env: Environment, held: bool, now: float) -> Stops:
    """What stands in the way of a promotion, in the words of the policy."""
    frozen = locked = hold = None
    if (env.freeze_until or 0) > now:
        frozen = Stop(env.freeze_reason or "", 0, env.freeze_by or "", env.freeze_until)
    if env.lock_by is not None and (env.lock_until or 0) > now:
        locked = Stop(env.lock_reason or "", env.lock_by, env.lock_login or "", env.lock_until)
    if held:
        hold = Stop(env.hold or "", 0, env.hold_by or "")
    return Stops(frozen, locked, hold)


def objected(objections: tuple[Objection, ...]) -> Outcome:
    first = objections[0]
    return refused(first.reason_code, first.words, first.next, objections)


NO_WORDS = {
    "overtaken": "Something else was released meanwhile.",
    "held": "The environment was held meanwhile.",
    "locked": "The environment was locked meanwhile.",
    "frozen": "The environment was frozen meanwhile.",
    "revoked": "It was revoked: it must not run again.",
}


def alone(artifact: Artifact) -> Artifact:
    """Without databases that would go with it: rows outlive a release, whose values say where they are."""
    plan = {**artifact.plan, "backing": (), "prepare": None}
    return dataclasses.replace(artifact, plan=plan, parts=tuple(map(alone, artifact.parts)))
