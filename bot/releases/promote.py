"""What people saw becomes what production serves: the same artifact, never built again."""

from __future__ import annotations

import asyncio
import dataclasses

from bot.errors import GitHubDown, GitHubRefused, SourceUnavailable
from bot.github import Repository
from bot.models import Deployment, Release
from bot.permissions import facts
from bot.policy import RULES, Facts, Objection, Unknown, judge
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.ground import LEASE_SECONDS, NO_WORDS, Ground, entry, objected, stops
from bot.sources import Sources
from bot.store import environments, releases
from runners.base import Artifact, Instance, StartFailed

PATIENCE_SECONDS = 1.5  # for a first comment that is on its way
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
        shown, no = await self._judged(ask)
        artifact = await self._ground.artifact(shown.artifact if shown else None)
        if no is None and artifact is None:
            again = "Push a commit, or open a new pull request, and promote its preview."
            no = refused("not_kept", "What was shown has been removed, and production never builds anything.", again)
        if no is not None or shown is None or artifact is None:
            if known is not None:  # it was allowed before we were killed, and is not any more
                await self._fail(ask, known, no)
            return no or refused("not_displayed", "Nothing was shown.")
        seconds = self._ground.settings.start_seconds + LEASE_SECONDS
        now = self._ground.clock()
        lease = await self._store.write(environments.take, ask.project.id, ask.environment, ask.guid, now, seconds)
        if lease is None:
            return refused("busy", f"Somebody else is releasing to {ask.environment} now.", "Try again in a moment.")
        try:
            return await self._release(ask, shown, artifact, lease)
        finally:
            await asyncio.shield(self._store.write(environments.give_back, lease))

    async def plan(self, ask: Ask) -> Outcome:
        """What a promotion would be told now; nothing is done."""
        shown, no = await self._judged(ask)
        if no is not None or shown is None:
            return no or refused("not_displayed", "Nothing was shown.")
        return Outcome(done=True, words=f"`{shown.sha[:7]}` may be promoted to {ask.environment}.")

    async def abandon(self, guid: str, reason: str) -> None:
        """The last try of a delivery failed by a fault of ours: what it had begun ends, nobody waits for it."""
        row = await self._store.read(releases.of_delivery, guid)
        if row is not None and row.state.pending:
            now = self._ground.clock()
            failure = {"reason_code": "internal", "message": reason}
            await self._store.write(releases.abandon, row.id, failure, now)

    async def _judged(self, ask: Ask) -> tuple[Deployment | None, Outcome | None]:
        if ask.number is None:
            return None, refused("not_displayed", "A promotion starts from a pull request.")
        shown = await self._shown(ask, ask.number)
        env, held = await self._store.read(
            environments.standing_of, ask.project.id, ask.environment, shown.artifact if shown else None
        )
        repository, now = self._ground.repository(ask.project), self._ground.clock()
        asker = Facts(
            ask.environment,
            ask.actor.id,
            ask.actor.login,
            ask.actor.kind == "person" and ask.actor.via_app is None,
            actor_agent=ask.actor.agent,
            displayed_sha=shown.sha if shown else None,
            stops=stops(env, held, now),
            now=now,
        )
        found = await facts(repository, ask.project.id, ask.number, asker)
        if found.state == "merged" and shown is not None:
            found = dataclasses.replace(found, merged_same=await self._same(ask, repository, found, shown))
        objections = (*judge(found), *_other_target(ask, shown))
        return shown, objected(objections) if objections else None

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
        release = await self._store.write(releases.begin, wanted)
        try:
            instance = await ground.start(ask.project, release, artifact)
        except StartFailed as error:
            return await self._unhealthy(ask, release, error)
        return await self._switch(ask, release, artifact, instance, lease)

    async def _switch(
        self, ask: Ask, release: Release, artifact: Artifact, instance: Instance | None, lease: environments.Lease
    ) -> Outcome:
        ground, serves = self._ground, False
        try:
            line = entry("release.live", ask, release, ground.clock(), RULES_ASKED)
            switched = await ground.serve(ask, release, lease, artifact, instance, entry=line)
            serves = isinstance(switched, Release)
        finally:
            if instance is not None and not serves:
                await asyncio.shield(ground.undo(release.id, instance))
        if not isinstance(switched, Release):
            no = refused(switched, NO_WORDS[switched], f"/status {ask.environment}")
            await self._fail(ask, release, no)
            return no
        return await ground.done(ask, switched, f"{ask.environment} serves `{release.sha[:7]}`.")

    async def _unhealthy(self, ask: Ask, release: Release, error: StartFailed) -> Outcome:
        """The new instance never was healthy; what serves has not noticed."""
        words = f"`{release.sha[:7]}` did not become healthy: {error} {ask.environment} serves what it served before."
        no = refused("health_failed", words, error.hint or "Fix it, push, and promote the new preview.")
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
