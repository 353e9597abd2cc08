"""Who may have a preview, before anything is fetched: who wrote it, and what the policy says of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from bot.agents import Author, binds, declared, identify, recognise
from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github import Repository
from bot.github.shapes import Malformed, commit_of, pull_of
from bot.models import Deployment, PullRequest
from bot.policy.admission import binding
from bot.policy.terms import Effective
from bot.previews.ground import Ground
from bot.store import agents, audit

T = TypeVar("T")
ASKING_SECONDS = 3.0  # for what is good to know
PERSON = Author(0, "", is_bot=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What GitHub says beside the delivery.  `late`: the delivery speaks of an older head."""

    late: bool = False
    by_person: bool = False  # the head was pushed by a person, as far as anybody can tell


class Door:
    """Asks GitHub who wrote a change, and lets its preview in or not."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._store = ground, ground.store

    async def binding(self, effective: Effective, pull: PullRequest) -> bool:
        """Whether it has to be known who wrote this before anything is fetched."""
        if binding(effective):
            return True
        return bool(await self._store.read(agents.frozen, pull.project_id, self._ground.clock()))

    async def look(
        self, repository: Repository, pull: PullRequest, deployment: Deployment, effective: Effective, *, sure: bool
    ) -> Seen:
        """Ask GitHub how the pull request stands and who wrote it, and keep that.

        `sure`: limits hang on it, so it is waited for; raises GitHubDown and TryLater.  Else no answer says nothing."""
        ask = _unless_refused if sure else _or_none
        raw, commits, via_app = await asyncio.gather(
            ask(repository.pull(pull.number)),
            ask(repository.pull_commits(pull.number)),
            ask(self._via_app(repository, pull)),
        )
        rows = [one for one in commits or [] if isinstance(one, Mapping)]
        if via_app is None:
            via_app = pull.via_app
        body = str(raw.get("body") or "") if isinstance(raw, Mapping) else ""
        policy = effective.agents
        agent = identify(
            Author(pull.author_id, pull.author, pull.author_is_bot, via_app),
            identities=policy.identities,
            treat=policy.undeclared.treat_as_agent_if,
            branch=pull.head_ref,
            body=body,
            commits=[commit_of(one) for one in rows],
        )
        known = None
        if agent is not None:
            bound = binds(agent, policy.undeclared.treat_as_agent_if)
            known = agents.Known(agent.name, agent.why, pull.author_id if bound else None)
        await self._store.write(agents.note, pull.project_id, pull.number, known, via_app)
        late = isinstance(raw, Mapping) and deployment.sha != pull.merge_sha and _late(raw, pull, deployment.sha)
        return Seen(late, await self._pushed_by_person(deployment, effective, rows))

    async def admit(self, deployment: Deployment, effective: Effective, *, by_person: bool) -> bool:
        """Let it in.  False: it has ended with the reason."""
        now = self._ground.clock()
        denied = await self._store.write(agents.let_in, deployment.id, effective, now, by_person=by_person)
        return denied is None

    async def _via_app(self, repository: Repository, pull: PullRequest) -> int:
        """The app that the pull request was opened through, which never changes; 0: none."""
        return pull.via_app if pull.via_app is not None else await repository.opened_via(pull.number)

    async def _pushed_by_person(
        self, deployment: Deployment, effective: Effective, commits: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Pushed under a person's account, and the commit itself names no machine (agents use people's accounts)."""
        sender = await self._store.read(audit.sender, deployment.delivery)
        if sender is None or sender.kind != "person" or declared(effective.agents.identities, sender.id, None):
            return False
        head = next((one for one in commits if one.get("sha") == deployment.sha), None)
        if head is None or any(_is_bot(head.get(who)) for who in ("author", "committer")):
            return False
        return recognise(PERSON, branch="", body="", commits=[commit_of(head)]) is None


def _late(raw: Mapping[str, Any], pull: PullRequest, sha: str) -> bool:
    """The delivery speaks of an older head.  An answer older than the delivery (replicas lag) says nothing."""
    try:
        live = pull_of(raw, pull.project_id)
    except Malformed:
        return False
    if live.state != "open":
        return live.updated_at >= pull.updated_at  # closed within the same second
    return not live.fork and live.updated_at > pull.updated_at and live.head_sha != sha


async def _or_none(asked: Awaitable[T]) -> T | None:
    """What GitHub answers, or nothing: a preview does not wait for a decoration."""
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            return await asked
    except (GitHubDown, GitHubRefused, TryLater, TimeoutError):
        return None


async def _unless_refused(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except GitHubRefused:
        return None


def _is_bot(account: object) -> bool:
    return isinstance(account, Mapping) and account.get("type") == "Bot"
