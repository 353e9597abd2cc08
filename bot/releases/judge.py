"""What was shown, and whether it may be released: every fact asked now, every rule asked, the decision kept."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from sqlmodel import Session

from bot import errands
from bot.errors import GitHubDown, GitHubRefused, SourceUnavailable
from bot.github import Repository
from bot.models import Deployment, Leave, PullRequest
from bot.permissions import facts
from bot.permissions.elsewhere import decisions
from bot.policy import RULES, Facts, Objection, Unknown, judge
from bot.policy.change import UNSCANNED
from bot.policy.facts import Scanned
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.ground import Ground, asker, objected, stops
from bot.releases.nights import since
from bot.sources import Sources
from bot.store import decisions as kept
from bot.store import deliveries, deployments, environments, leaves, policies, releases, scans

PATIENCE_SECONDS = 1.5  # for a first comment that is on its way
COMPARED_SECONDS = 6.0  # for the look at what the head does to the policy
CONFIRM_SECONDS = 900.0  # in which a confirmation has to come (P40)
_REVOKED = Objection(
    "revoked", "revoked", "What was shown was revoked: it must not run again.", "revoked", "not revoked", "Push a fix."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """What is to be released, or what speaks against it.

    `policy`: digest of what it was judged by.  `lifted`: rules that somebody with the right has lifted for it."""

    shown: Deployment | None
    no: Outcome | None
    merge: str | None = None  # the commit of the merge, if there is one
    policy: str = ""
    lifted: frozenset[str] = frozenset()


class Judge:
    def __init__(self, ground: Ground, sources: Sources) -> None:
        self._ground, self._sources, self._store = ground, sources, ground.store

    async def __call__(self, ask: Ask) -> Judged:
        """Raises TryLater."""
        if ask.number is None:
            return Judged(None, refused("not_displayed", "A promotion starts from a pull request."))
        shown = await self.shown(ask, ask.number)
        found, gone = await self._facts(ask, ask.number, shown)
        objections = (*judge(found), *_other_target(ask, shown), *((_REVOKED,) if gone else ()))
        await self._store.write(_keep, ask, found, self._ground.clock())
        no = objected(objections) if objections else None
        return Judged(shown, no, found.merge_sha, found.policy.digest, found.lifted - found.policy.override.never)

    async def _facts(self, ask: Ask, number: int, shown: Deployment | None) -> tuple[Facts, bool]:
        """Everything the rules look at, and whether what was shown is revoked."""
        ground, now = self._ground, self._ground.clock()
        artifact = shown.artifact if shown else None
        env, held = await self._store.read(environments.standing_of, ask.project.id, ask.environment, artifact)
        policy, _waited = await asyncio.gather(
            ground.policies.held(ask.project, live=True), self._compared(ask, number, shown)
        )
        asked = dataclasses.replace(
            asker(ask, policy.effective, stops(env, held, now)),
            displayed_sha=shown.sha if shown else None,
            policy_fault=policy.fault,
            now=now,
            **await self._store.read(_known, ask, number, shown, now),
        )
        if asked.scan is None and ground.scans:
            asked = dataclasses.replace(asked, scan=UNSCANNED)
        repository = ground.repository(ask.project)
        if isinstance(asked.scan, Scanned) and shown is not None:
            known = await since(ground, ask.project, (ask.project.id, number, shown.sha), asked.scan)
            asked = dataclasses.replace(asked, scan=known)
        found = await facts(repository, ask.project.id, number, asked, asked.requesters)
        if found.state == "merged":  # what it did to the policy was judged by the gate, and holds
            found = dataclasses.replace(found, policy_change=None)
        if found.state == "merged" and shown is not None:
            found = dataclasses.replace(found, merged_same=await self._same(ask, repository, found, shown))
        secret = ground.settings.github_webhook_secret
        said = await decisions(found, ask.project.full_name, number, secret)
        gone = shown is not None and await self._store.read(
            environments.revoked, ask.project.id, ask.environment, artifact or ""
        )
        return dataclasses.replace(found, extra=said), gone

    async def shown(self, ask: Ask, number: int) -> Deployment | None:
        """What was displayed when the command was received; GitHub's answer to a comment may be on its way to us."""
        deadline = self._ground.clock() + PATIENCE_SECONDS
        while True:
            seen = self._store.changed
            shown = await self._store.read(releases.displayed, ask.project.id, number, ask.received_at, ask.target)
            left = deadline - self._ground.clock()
            if shown is not None or left <= 0 or not await self._store.read(releases.untold, ask.project.id, number):
                return shown
            await self._store.wait_changed(seen, left)

    async def _compared(self, ask: Ask, number: int, shown: Deployment | None) -> None:
        """Wait until somebody has looked at what the head does to the policy.

        That is a delivery of its own, on its way since the push; where there was none (an older version of us saw the
        push) it is sent now."""
        standing = await self._store.read(deployments.standing, ask.project.id, number)
        if shown is None or standing is None or standing.pull.state != "open":
            return
        clock, sent = asyncio.get_running_loop().time, False
        began = clock()
        while (waited := clock() - began) < COMPARED_SECONDS:
            seen = self._store.changed
            if await self._store.read(policies.of_head, ask.project.id, number, shown.sha) is not None:
                return
            if not sent and waited >= PATIENCE_SECONDS:
                sent = True
                again = errands.policy(ask.project.id, number, ask.guid)
                await self._store.write(deliveries.send, again, self._ground.clock())
            await self._store.wait_changed(seen, PATIENCE_SECONDS)

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


def _known(session: Session, ask: Ask, number: int, shown: Deployment | None, now: float) -> dict[str, Any]:
    """What the books say of the change, as fields of Facts."""
    pull = session.get(PullRequest, (ask.project.id, number))
    sha, deployment = (shown.sha, shown.id) if shown else ("", "")
    said = leaves.said(session, ask.project.id, number, sha, ask.environment, now, deployment)
    return {
        "pusher_id": pull.pusher_id if pull else None,
        "agent": pull.agent if pull else None,
        "live_since": shown.live_at if shown else None,
        "verified_in": releases.verified_in(session, ask.project.id, shown.artifact if shown else None),
        "reviews": said.approvals,
        "acks": said.acks,
        "lifted": said.lifted,
        "policy_change": policies.change_of(session, ask.project.id, number, sha),
        "scan": scans.scanned(session, (ask.project.id, number, sha), now),
        "confirmed": ask.confirm and ask.actor.id in said.confirmed,
    }


def _keep(session: Session, ask: Ask, found: Facts, now: float) -> None:
    kept.note(session, found, RULES, project_id=ask.project.id, number=ask.number, kind="promote", now=now)


def helped(session: Session, ask: Ask, judged: Judged, now: float) -> None:
    """What a refusal can do by itself: show what was merged, or wait for the second of two commands."""
    codes = [one.reason_code for one in judged.no.objections] if judged.no else []
    if codes == ["merge_differs"] and judged.merge and ask.number is not None:
        deliveries.send(session, errands.merge(ask.project.id, ask.number, judged.merge), now)
    if codes == ["confirmation_missing"] and judged.shown is not None and ask.number is not None:
        session.add(
            Leave(
                project_id=ask.project.id,
                number=ask.number,
                kind="confirm",
                what=leaves.confirmation(ask.environment, judged.shown.id),
                sha=judged.shown.sha,
                by_id=ask.actor.id,
                by_login=ask.actor.login,
                at=now,
                until=now + CONFIRM_SECONDS,
            )
        )


def _other_target(ask: Ask, shown: Deployment | None) -> tuple[Objection, ...]:
    """A target that the command names must be the one that was displayed."""
    if ask.target is None or shown is None or ask.target == shown.id or shown.sha.startswith(ask.target.lower()):
        return ()
    words = f"My comment showed {shown.sha[:7]} when you wrote this, not {ask.target[:40]}."
    again = f"/promote {ask.environment} {shown.sha[:7]}"
    return (Objection("target", "not_displayed", words, shown.sha[:7], ask.target[:40], again),)
