"""Back to what was good: no build, no approval, and as fast as one switch when the old instance is still warm."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

from bot.models import Project, Release, Stage
from bot.policy import ROLLBACK
from bot.releases.ask import Actor, Ask, Outcome, refused
from bot.releases.ground import LEASE_SECONDS, NO_WORDS, Ground, entry
from bot.releases.schema import destructive, guard, told
from bot.releases.verdict import left_to_people
from bot.store import environments, releases
from bot.telemetry import redact
from runners.base import Artifact, Instance, StartFailed

HOUR = 3600.0
SLIPWAY = Actor(0, "slipway", "bot", "clock")


@dataclasses.dataclass(frozen=True, slots=True)
class _Way:
    """From what, to what, and how it is written down."""

    current: Release
    target: Release
    left: Stage  # what the current one becomes
    failure: Mapping[str, Any] | None = None
    rules: tuple[str, ...] = ()

    @property
    def seen(self) -> dict[str, Any]:
        """The figures that speak against what is left."""
        figures = (self.failure or {}).get("figures")
        return {"seen": figures} if figures else {}

    @property
    def reason(self) -> str:
        return f"{self.current.sha[:7]} was rolled back to {self.target.sha[:7]}"


class Rollback:
    """By a person's command, or by the watch."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._store = ground, ground.store

    async def __call__(self, ask: Ask) -> Outcome:
        """Do it, or say why not.  Raises TryLater when GitHub asks for patience."""
        known = await self._store.read(releases.of_delivery, ask.guid)
        if known is not None and not known.state.pending:
            return await self._ground.told(ask, known)
        env, current = await self._store.read(environments.look, ask.project.id, ask.environment)
        no = await self._ground.deployer(ask, env)
        if no is not None:
            return no
        if current is None:
            return refused("nothing_released", f"Nothing has been released to {ask.environment} yet.")
        target = await self._target(ask, current, known)
        if isinstance(target, Outcome):
            return target
        if target.artifact == current.artifact:  # the watch was faster
            no = refused("already_serving", f"{ask.environment} serves `{target.sha[:7]}` already.")
            return await self._fail(ask, known, no) if known else no
        no = guard(ask, current, target)
        if no is not None:
            return await self._fail(ask, known, no) if known else no
        rules = tuple(rule.__name__ for rule in ROLLBACK)
        return await self._go(ask, _Way(current, target, Stage.ROLLED_BACK, rules=rules))

    async def automatically(self, project: Project, current: Release, failure: Mapping[str, Any]) -> Outcome:
        """The watch saw it fail: back to the last verified release, with a hold; never past the schema guard."""
        target = await self._store.read(releases.former, project.id, current.environment, verified_first=True)
        if target is None:
            return refused("nothing_verified", "There is no earlier release to go back to.")
        now = self._ground.clock()
        auto = (await self._ground.policies.held(project)).effective.terms(current.environment).auto_rollback
        lately = await self._store.read(environments.went_back, project.id, current.environment, now - HOUR)
        words = left_to_people(auto, now - (current.live_at or now), lately)
        if words is not None:
            return refused("left_to_people", words, f"/rollback {current.environment}")
        guid, reason = f"rollback:{current.id}", str(failure.get("message", ""))
        ask = Ask(project, current.number, current.environment, None, reason, SLIPWAY, guid, now)
        no = guard(ask, current, target)
        if no is not None:
            return dataclasses.replace(no, words=f"{no.words} A person has to decide: {no.next}")
        return await self._go(ask, _Way(current, target, Stage.FAILED, failure))

    async def _target(self, ask: Ask, current: Release, known: Release | None) -> Release | Outcome:
        """The last good release, or the kept one that was named."""
        if known is not None and known.of is not None:
            begun = await self._store.read(releases.get, known.of)
            if begun is not None:
                return begun
        if ask.target is None:
            found = await self._store.read(releases.former, ask.project.id, ask.environment)
            words = f"There is no earlier release of {ask.environment} that was good."
            return found or refused("nothing_verified", words, "Promote the preview of a fix.")
        return await self._named(ask, ask.target, current)

    async def _named(self, ask: Ask, name: str, current: Release) -> Release | Outcome:
        rows = await self._store.read(releases.released, ask.project.id, ask.environment)
        named = [row for row in rows if row.id == name or (len(name) >= 7 and row.sha.startswith(name.lower()))]
        if not named:
            return refused("unknown_target", f"{ask.environment} has never served that.", f"/status {ask.environment}")
        if any(row.state is Stage.REVOKED for row in named):
            return refused("revoked", f"`{named[0].sha[:7]}` was revoked: it must not run again.")
        if named[0].artifact == current.artifact:
            return refused("already_serving", f"{ask.environment} serves `{named[0].sha[:7]}` already.")
        good = [row for row in named if row.state in releases.GOOD]
        if not good:
            words = f"`{named[0].sha[:7]}` was not good when it was released."
            return refused("not_verified", words, f"/rollback {ask.environment}")
        return good[0]

    async def _go(self, ask: Ask, way: _Way) -> Outcome:
        ground, target = self._ground, way.target
        artifact = await ground.artifact(target.artifact)
        if artifact is None:
            return refused("not_kept", f"What `{target.sha[:7]}` was made of is not kept any more.")
        seconds = ground.settings.start_seconds + LEASE_SECONDS
        lease = await self._store.write(
            environments.take, ask.project.id, ask.environment, ask.guid, ground.clock(), seconds, force=True
        )
        if lease is None:
            return refused("busy", f"Somebody else is releasing to {ask.environment} now.")
        try:
            return await self._release(ask, way, artifact, lease)
        finally:
            await asyncio.shield(self._store.write(environments.give_back, lease))

    async def _release(self, ask: Ask, way: _Way, artifact: Artifact, lease: environments.Lease) -> Outcome:
        target = way.target
        wanted = Release(
            delivery=ask.guid,
            project_id=target.project_id,
            environment=target.environment,
            number=target.number,
            deployment=target.deployment,
            sha=target.sha,
            tree=target.tree,
            artifact=target.artifact,
            plan=target.plan,
            kind="rollback",
            of=target.id,
            actor_id=ask.actor.id,
            actor_login=ask.actor.login,
            reason=ask.reason,
            accepted_schema=ask.accept_schema,
            started_at=self._ground.clock(),
        )
        release = await self._store.write(releases.begin, wanted)
        try:
            instance = await self._ground.start(ask.project, release, artifact)
        except StartFailed as error:
            why = redact(str(error))
            words = f"`{release.sha[:7]}` did not start again: {why} {ask.environment} serves what it served before."
            return await self._fail(ask, release, refused("health_failed", words))
        return await self._switch(ask, way, release, artifact, instance, lease)

    async def _switch(
        self,
        ask: Ask,
        way: _Way,
        release: Release,
        artifact: Artifact,
        instance: Instance | None,
        lease: environments.Lease,
    ) -> Outcome:
        ground, serves = self._ground, False
        passed = told(destructive(way.current, way.target))
        after = way.seen | ({"accepted_schema": passed} if passed else {})
        policy = (await ground.policies.held(ask.project)).effective.digest
        now = ground.clock()
        line = entry("release.rolled_back", ask, release, now, way.rules, after=after, policy_digest=policy)
        try:
            switched = await ground.serve(
                ask,
                release,
                lease,
                artifact,
                instance,
                entry=line,
                leaves=way.current.id,
                former=way.left,
                failure=way.failure,
                hold=environments.Hold(ask.reason or way.reason, ask.actor.login),
            )
            serves = isinstance(switched, Release)
        finally:
            if instance is not None and not serves:
                await asyncio.shield(ground.undo(release.id, instance))
        if not isinstance(switched, Release):
            return await self._fail(ask, release, refused(switched, NO_WORDS[switched], f"/status {ask.environment}"))
        words = f"{ask.environment} serves `{release.sha[:7]}` again and is held."
        return await ground.done(ask, switched, words)

    async def _fail(self, ask: Ask, release: Release, no: Outcome) -> Outcome:
        now = self._ground.clock()
        failure = {"reason_code": no.reason_code, "message": no.words, "log": await self._ground.log_end(release.id)}
        line = entry("release.failed", ask, release, now, after={"reason_code": no.reason_code})
        await self._store.write(releases.fail, release.id, failure, line, now)
        return no
