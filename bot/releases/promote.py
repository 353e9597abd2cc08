"""What people saw becomes what production serves: the same artifact, never built again."""

from __future__ import annotations

import asyncio
import dataclasses

from bot import errands
from bot.errors import GitHubDown, GitHubRefused, SourceUnavailable
from bot.github import Repository
from bot.models import Deployment, Release
from bot.permissions import facts
from bot.policy import RULES, Facts, Objection, Unknown, judge
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.command import prepare
from bot.releases.ground import LEASE_SECONDS, NO_WORDS, Ground, entry, objected, stops
from bot.releases.schema import destructive, told, warning
from bot.sources import Sources
from bot.store import audit, deliveries, environments, releases
from runners.base import Artifact, Failed, Instance, RunFailed, StartFailed

PATIENCE_SECONDS = 1.5  # for a first comment that is on its way
_REVOKED = Objection(
    "revoked", "revoked", "What was shown was revoked: it must not run again.", "revoked", "not revoked", "Push a fix."
)
RULES_ASKED = tuple(rule.__name__ for rule in RULES)


class Promote:
    """Resolve what was displayed, judge it now, start it beside what serves, switch."""

    def __init__(self, ground: Ground, sources: Sources) -> None:
        self._ground, self._sources, self._store = ground, sources, ground.store

    async def __call__(self, ask: Ask) -> Outcome:
        """Do it, or say why not.  Raises TryLater when GitHub asks for patience."""
        known = await self._store.read(releases.of_delivery, ask.guid)
        if known is not None and not known.state.pending:
            return await self._ground.told(ask, known)
        shown, no, merge = await self._judged(ask)
        artifact = await self._ground.artifact(shown.artifact if shown else None)
        if no is None and artifact is None:
            again = "Push a commit, or open a new pull request, and promote its preview."
            no = refused("not_kept", "What was shown has been removed, and production never builds anything.", again)
        if merge and no is not None and [one.reason_code for one in no.objections] == ["merge_differs"]:
            show = errands.merge(ask.project.id, ask.number or 0, merge)
            await self._store.write(deliveries.send, show, self._ground.clock())
        if no is not None or shown is None or artifact is None:
            if known is not None:  # it was allowed before we were killed, and is not any more
                await self._fail(ask, known, no)
            return no or refused("not_displayed", "Nothing was shown.")
        lease = await self._lease(ask, artifact)
        if lease is None:
            return refused("busy", f"Somebody else is releasing to {ask.environment} now.", "Try again in a moment.")
        try:
            return await self._release(ask, shown, artifact, lease)
        finally:
            await asyncio.shield(self._store.write(environments.give_back, lease))

    async def _lease(self, ask: Ask, artifact: Artifact) -> environments.Lease | None:
        seconds = self._ground.settings.start_seconds + LEASE_SECONDS
        if artifact.the_plan().release:
            seconds += self._ground.settings.build_seconds
        now = self._ground.clock()
        return await self._store.write(environments.take, ask.project.id, ask.environment, ask.guid, now, seconds)

    async def plan(self, ask: Ask) -> Outcome:
        """What a promotion would be told now; nothing is done."""
        shown, no, _merge = await self._judged(ask)
        if no is not None or shown is None:
            return no or refused("not_displayed", "Nothing was shown.")
        _env, current = await self._store.read(environments.look, ask.project.id, ask.environment)
        carries = warning(told(destructive(shown, current)))
        return Outcome(done=True, words=f"`{shown.sha[:7]}` may be promoted to {ask.environment}.{carries}")

    async def abandon(self, guid: str, reason: str) -> None:
        """The last try of a delivery failed by a fault of ours: what it had begun ends, nobody waits for it."""
        row = await self._store.read(releases.of_delivery, guid)
        if row is not None and row.state.pending:
            now = self._ground.clock()
            failure = {"reason_code": "internal", "message": reason}
            await self._store.write(releases.abandon, row.id, failure, now)

    async def _judged(self, ask: Ask) -> tuple[Deployment | None, Outcome | None, str | None]:
        """What was shown, what speaks against it, and the commit of the merge if there is one."""
        if ask.number is None:
            return None, refused("not_displayed", "A promotion starts from a pull request."), None
        shown = await self._shown(ask, ask.number)
        env, held = await self._store.read(
            environments.standing_of, ask.project.id, ask.environment, shown.artifact if shown else None
        )
        repository, now = self._ground.repository(ask.project), self._ground.clock()
        found = await facts(
            repository,
            ask.project.id,
            ask.number,
            environment=ask.environment,
            actor_id=ask.actor.id,
            actor_login=ask.actor.login,
            actor_person=ask.actor.kind == "person" and ask.actor.via_app is None,
            displayed_sha=shown.sha if shown else None,
            stops=stops(env, held, now),
            requesters=await self._pushers(ask, ask.number, shown),
        )
        if found.state == "merged" and shown is not None:
            found = dataclasses.replace(found, merged_same=await self._same(ask, repository, found, shown))
        gone = shown is not None and await self._store.read(
            environments.revoked, ask.project.id, ask.environment, shown.artifact or ""
        )
        objections = (*judge(found), *_other_target(ask, shown), *((_REVOKED,) if gone else ()))
        return shown, objected(objections) if objections else None, found.merge_sha

    async def _pushers(self, ask: Ask, number: int, shown: Deployment | None) -> set[int]:
        """Whoever pushed it can't be the one who approves it, whatever name stands in the commit."""
        return await self._store.read(audit.pushers, ask.project.id, number, shown.sha) if shown else set()

    async def _shown(self, ask: Ask, number: int) -> Deployment | None:
        """What was displayed when the command was received; GitHub's answer to a comment may be on its way to us."""
        deadline = self._ground.clock() + PATIENCE_SECONDS
        while True:
            seen = self._store.changed
            shown = await self._store.read(releases.displayed, ask.project.id, number, ask.received_at, ask.target)
            left = deadline - self._ground.clock()
            if shown is not None or left <= 0 or not await self._store.read(releases.untold, ask.project.id, number):
                return shown
            await self._store.wait_changed(seen, left)

    async def _same(self, ask: Ask, repository: Repository, found: Facts, shown: Deployment) -> bool | Unknown:
        """Whether what was merged has the files that people saw."""
        if found.merge_sha is None or shown.tree is None:
            return Unknown("GitHub names no merge commit")
        try:
            token = await repository.git_token()
            merged = await self._sources.fetch(ask.project.id, ask.project.full_name, found.merge_sha, token)
        except (GitHubDown, GitHubRefused, SourceUnavailable) as error:
            return Unknown(str(error))
        return merged.tree_hash == shown.tree

    async def _release(self, ask: Ask, shown: Deployment, artifact: Artifact, lease: environments.Lease) -> Outcome:
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
        return await self._switch(ask, release, artifact, instance, lease)

    async def _switch(
        self, ask: Ask, release: Release, artifact: Artifact, instance: Instance | None, lease: environments.Lease
    ) -> Outcome:
        ground, serves = self._ground, False
        try:
            destroys = (release.watch or {}).get("destroys", [])
            after = {"destroys": destroys} if destroys else {}
            line = entry("release.live", ask, release, ground.clock(), RULES_ASKED, after=after)
            switched = await ground.serve(ask, release, lease, artifact, instance, entry=line)
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
        code, what = "health_failed", f"`{release.sha[:7]}` did not become healthy: {error}"
        if isinstance(error, RunFailed):
            code, what = "release_failed", f"The release command of `{release.sha[:7]}` failed: {error}"
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


def _other_target(ask: Ask, shown: Deployment | None) -> tuple[Objection, ...]:
    """A target that the command names must be the one that was displayed."""
    if ask.target is None or shown is None or ask.target == shown.id or shown.sha.startswith(ask.target.lower()):
        return ()
    words = f"My comment showed {shown.sha[:7]} when you wrote this, not {ask.target[:40]}."
    again = f"/promote {ask.environment} {shown.sha[:7]}"
    return (Objection("target", "not_displayed", words, shown.sha[:7], ask.target[:40], again),)
