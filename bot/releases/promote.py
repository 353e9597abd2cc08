"""What people saw becomes what production serves: the same artifact, never built again."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.models import Deployment, Release
from bot.policy import RULES
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.command import prepare
from bot.releases.ground import LEASE_SECONDS, NO_WORDS, Ground, entry
from bot.releases.judge import Judge, Judged, helped
from bot.releases.schema import destructive, told, warning
from bot.sources import Sources
from bot.store import environments, releases
from bot.telemetry import redact
from runners.base import Artifact, Failed, Instance, RunFailed, StartFailed

RULES_ASKED = tuple(rule.__name__ for rule in RULES)


class Promote:
    """Resolve what was displayed, judge it now, start it beside what serves, switch."""

    def __init__(self, ground: Ground, sources: Sources) -> None:
        self._ground, self._store, self._judge = ground, ground.store, Judge(ground, sources)

    async def __call__(self, ask: Ask) -> Outcome:
        """Do it, or say why not.  Raises TryLater when GitHub asks for patience."""
        known = await self._store.read(releases.of_delivery, ask.guid)
        if known is not None and not known.state.pending:
            return await self._ground.told(ask, known)
        judged = await self._judge(ask)
        shown = judged.shown
        artifact, no = await self._kept(judged)
        if no is not None and no.objections:
            await self._store.write(helped, ask, judged, self._ground.clock())
        if no is not None or shown is None or artifact is None:
            if known is not None:  # it was allowed before we were killed, and is not any more
                await self._fail(ask, known, no)
            return no or refused("not_displayed", "Nothing was shown.")
        lease = await self._lease(ask, artifact)
        if lease is None:
            return refused("busy", f"Somebody else is releasing to {ask.environment} now.", "Try again in a moment.")
        try:
            return await self._release(ask, shown, judged, artifact, lease)
        finally:
            await asyncio.shield(self._store.write(environments.give_back, lease))

    async def _kept(self, judged: Judged) -> tuple[Artifact | None, Outcome | None]:
        """What was shown, as it was built, and what stands against it: the judge's word, or that it is gone."""
        artifact = await self._ground.artifact(judged.shown.artifact if judged.shown else None)
        if judged.no is None and artifact is None:
            again = "Push a commit, or open a new pull request, and promote its preview."
            words = "What was shown has been removed, and production never builds anything."
            return None, refused("not_kept", words, again)
        return artifact, judged.no

    async def _lease(self, ask: Ask, artifact: Artifact) -> environments.Lease | None:
        seconds = self._ground.settings.start_seconds + LEASE_SECONDS
        if artifact.the_plan().release:
            seconds += self._ground.settings.build_seconds
        now = self._ground.clock()
        return await self._store.write(environments.take, ask.project.id, ask.environment, ask.guid, now, seconds)

    async def shown(self, ask: Ask) -> Deployment | None:
        """What the comment showed when the command was received."""
        return await self._judge.shown(ask, ask.number) if ask.number is not None else None

    async def plan(self, ask: Ask) -> Outcome:
        """What a promotion would be told now; nothing is done."""
        judged = await self._judge(ask)
        if judged.no is not None or judged.shown is None:
            return judged.no or refused("not_displayed", "Nothing was shown.")
        _env, current = await self._store.read(environments.look, ask.project.id, ask.environment)
        carries = warning(told(destructive(judged.shown, current)))
        return Outcome(done=True, words=f"`{judged.shown.sha[:7]}` may be promoted to {ask.environment}.{carries}")

    async def abandon(self, guid: str, reason: str) -> None:
        """The last try of a delivery failed by a fault of ours: what it had begun ends, nobody waits for it."""
        row = await self._store.read(releases.of_delivery, guid)
        if row is not None and row.state.pending:
            now = self._ground.clock()
            failure = {"reason_code": "internal", "message": reason}
            await self._store.write(releases.abandon, row.id, failure, now)

    async def _release(
        self, ask: Ask, shown: Deployment, judged: Judged, artifact: Artifact, lease: environments.Lease
    ) -> Outcome:
        ground = self._ground
        wanted = Release(
            delivery=ask.guid,
            project_id=ask.project.id,
            environment=ask.environment,
            number=ask.number,
            deployment=shown.id,
            sha=shown.sha,
            tree=shown.tree,
            artifact=artifact.digest,
            plan=shown.plan,
            actor_id=ask.actor.id,
            actor_login=ask.actor.login,
            reason=ask.reason,
            accepted_schema=ask.accept_schema,
            started_at=ground.clock(),
        )
        _env, current = await self._store.read(environments.look, ask.project.id, ask.environment)
        wanted.watch = {"destroys": told(destructive(wanted, current))}
        release = await self._store.write(releases.begin, wanted)
        try:
            await prepare(ground, ask, release, artifact)
            instance = await ground.start(ask.project, release, artifact)
        except (RunFailed, StartFailed) as error:
            return await self._unfit(ask, release, error, ran=artifact.the_plan().release is not None)
        return await self._switch(ask, release, artifact, instance, lease, judged)

    async def _switch(
        self,
        ask: Ask,
        release: Release,
        artifact: Artifact,
        instance: Instance | None,
        lease: environments.Lease,
        judged: Judged,
    ) -> Outcome:
        ground, serves = self._ground, False
        try:
            destroys = (release.watch or {}).get("destroys", [])
            after = ({"destroys": destroys} if destroys else {}) | _lifted(judged)
            now, digest = ground.clock(), judged.policy
            line = entry("release.live", ask, release, now, RULES_ASKED, after=after, policy_digest=digest)
            used = ask.actor.id if ask.confirm else None
            how: dict[str, Any] = {"entry": line, "lifted": judged.lifted, "confirmed_by": used}
            switched = await ground.serve(ask, release, lease, artifact, instance, **how)
            serves = isinstance(switched, Release)
        finally:
            if instance is not None and not serves:
                await asyncio.shield(ground.undo(release.id, instance))
        if not isinstance(switched, Release):
            no = refused(switched, NO_WORDS[switched], f"/status {ask.environment}")
            await self._fail(ask, release, no)
            return no
        words = f"{ask.environment} serves `{release.sha[:7]}`.{warning(destroys)}"
        return await ground.done(ask, switched, words)

    async def _unfit(self, ask: Ask, release: Release, error: Failed, *, ran: bool) -> Outcome:
        """Its release command failed, or the new instance never was healthy; what serves has not noticed."""
        code, what = "health_failed", f"`{release.sha[:7]}` did not become healthy: {redact(str(error))}"
        if isinstance(error, RunFailed):
            code, what = "release_failed", f"The release command of `{release.sha[:7]}` failed: {redact(str(error))}"
        elif ran:
            what = f"{what} Its release command had run."
        say = f"{what} {ask.environment} serves what it served before."
        no = refused(code, say, error.hint or "Fix it, push, and promote the new preview.")
        log = await self._ground.log_end(release.id)
        await self._fail(ask, release, no, step=error.step, log=log)
        return no

    async def _fail(self, ask: Ask, release: Release, no: Outcome | None, **more: str) -> None:
        failure = {
            "reason_code": no.reason_code if no else None,
            "message": no.words if no else "",
            "next": no.next if no else None,
            **more,
        }
        now = self._ground.clock()
        after = {"reason_code": failure["reason_code"]}
        line = entry("release.failed", ask, release, now, after=after)
        await self._store.write(releases.fail, release.id, failure, line, now)


def _lifted(judged: Judged) -> dict[str, list[str]]:
    """What was lifted stands in the line about what it let through."""
    return {"lifted": sorted(judged.lifted)} if judged.lifted else {}
