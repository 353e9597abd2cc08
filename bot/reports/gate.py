"""The required check: asked again whenever something happens that it may turn on, and it always ends.

A new run is opened before anything is asked, so that an older success never stands meanwhile; what has ended is never
opened again.  Killed anywhere in between, the same delivery goes on with the run that is open.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence

from sqlmodel import Session

from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github import GitHub, Repository
from bot.github.shapes import pull_of
from bot.messages import Check
from bot.messages.gate import GATE, given_up, moved, opened, told, unnamed
from bot.models import Deployment, Gate, Project, PullRequest, State
from bot.permissions import facts
from bot.permissions.elsewhere import decisions as said_elsewhere
from bot.permissions.policies import Held, Policies
from bot.policy import GATE as RULES
from bot.policy import Facts, Unknown
from bot.policy.change import UNSCANNED
from bot.policy.facts import PolicyChange, Preview, Scanned
from bot.policy.verdict import Verdict, together, weigh
from bot.reports.once import once
from bot.store import Store, decisions, deployments, gates, leaves, policies, projects, pulls, scans

ENVIRONMENT = "production"  # whose terms a change has to meet
WAITED_SECONDS = 3600.0  # after which what should have come by itself is a person's business
AGAIN_SECONDS = 30.0  # until it is asked again what could not be answered
PREVIEWS: dict[State, Preview] = {
    State.LIVE: "live",
    State.ASLEEP: "live",
    State.REPLACED: "live",
    State.FAILED: "failed",
    State.REFUSED: "refused",
    State.REMOVED: "gone",
    State.CANCELLED: "gone",
}


class Gates:
    """`judge` is the one verb; raises GitHubDown and TryLater, so that the delivery is tried again.

    `secret`: what questions to services that the policy names are signed with."""

    def __init__(
        self,
        store: Store,
        github: GitHub,
        policies: Policies,
        clock: Callable[[], float],
        secret: str,
        *,
        scans: bool = False,
    ) -> None:
        self._store, self._github, self._policies, self._clock = store, github, policies, clock
        self._secret, self._scans = secret, scans

    async def judge(self, project_id: int, sha: str) -> None:
        """Ask every rule about a commit, and tell GitHub."""
        project = await self._store.read(projects.project, project_id)
        if project is None or project.state != "active":
            return
        repository = self._github.repository(project.installation_id, project.id, project.full_name)
        numbers, known = await self._store.read(_numbers, project_id, sha)
        grouped = known is not None and known.base is not None
        if not numbers and not grouped and (known is None or known.conclusion not in gates.OPEN):
            return  # nobody asks about it
        gate = await self._open(repository, project, sha)
        # Whatever moves from now on asks for this run again; what moved before it stood in the books did not.
        numbers, known = await self._store.read(_numbers, project_id, sha)
        if not numbers:
            await self._tell(repository, gate, unnamed(sha) if grouped else moved(sha))
            return
        for number in numbers:
            await self._known(repository, project, number)
        held = await self._policies.held(project, live=True)
        waited = self._clock() >= gate.opened_at + WAITED_SECONDS
        every = await asyncio.gather(*(self._weigh(repository, project, one, held, waited) for one in numbers))
        pulls = [(number, one.verdict) for number, one in zip(numbers, every, strict=True)]
        whole = together([verdict for _number, verdict in pulls])
        await self._tell(repository, gate, told(pulls, whole, held.effective.digest), self._later(gate, whole, every))

    async def _known(self, repository: Repository, project: Project, number: int) -> None:
        """A group may hold a pull request that we have not heard of yet."""
        if await self._store.read(deployments.standing, project.id, number) is None:
            pull = pull_of(await repository.pull(number), project.id)
            await self._store.write(pulls.note_pull, project, pull, self._clock())

    async def _open(self, repository: Repository, project: Project, sha: str) -> Gate:
        before = await self._store.read(gates.gate, project.id, sha)
        if before is not None and before.conclusion == "ending" and await self._goes_on(repository, before):
            await self._store.write(gates.ending, project.id, sha, before.run, goes_on=True)
        gate = await self._store.write(gates.open_run, project.id, sha, self._clock())
        said, key = opened(), f"{sha}:{gate.run}"
        if gate.check_id is None:
            ident, _made = await once(
                self._store,
                f"gate:{project.id}:{key}",
                self._clock(),
                lambda: repository.find_check(sha, GATE, key),
                lambda: repository.create_check(
                    GATE, sha, key, status=said.status, title=said.title, summary=said.summary
                ),
            )
            gate.check_id = ident
            await self._store.write(gates.made, project.id, sha, gate.run, ident)
        return gate

    async def _goes_on(self, repository: Repository, gate: Gate) -> bool:
        """We were cut off while GitHub was told how a run ends: did it hear?"""
        if gate.check_id is None:
            return True
        try:
            return (await repository.check_run(gate.check_id)).get("status") != "completed"
        except GitHubRefused:
            return False  # a run that can't be seen can't be told anything: a new one

    async def _weigh(self, repository: Repository, project: Project, number: int, held: Held, waited: bool) -> _Weighed:
        now = self._clock()
        seen = await self._store.read(_seen, project.id, number, now)
        asker = Facts(
            ENVIRONMENT,
            0,
            "",
            actor_person=False,
            policy=held.effective,
            policy_fault=held.fault,
            policy_change=seen.policy_change,
            scan=seen.scan if seen.scan is not None or not self._scans else UNSCANNED,
            reviews=seen.said.approvals,
            requesters=frozenset(),
            pusher_id=seen.pull.pusher_id,
            agent=seen.pull.agent,
            now=now,
            preview=seen.preview,
            live_since=seen.live_since,
            acks=seen.said.acks,
            lifted=seen.said.lifted,
        )
        found = await facts(repository, project.id, number, asker)
        if found.head_sha != seen.pull.head_sha and isinstance(found.head_sha, str):
            # A newer head than we know of: its own delivery is on its way, and nothing is known of it yet.
            found = dataclasses.replace(found, preview="working")
        extra = await said_elsewhere(found, project.full_name, number, self._secret)
        found = dataclasses.replace(found, extra=extra)
        await self._store.write(
            decisions.note, found, RULES, project_id=project.id, number=number, kind="gate", now=now
        )
        return _Weighed(found, weigh(found, RULES, waited=waited), seen.until)

    def _later(self, gate: Gate, whole: Verdict, every: Sequence[_Weighed]) -> float | None:
        """When to ask again without anything having happened; None: never, something has to."""
        now, pending = self._clock(), whole.conclusion is None
        due = [gate.opened_at + WAITED_SECONDS] if pending else []
        for one in every:
            if pending and any(against.needs == "answer" for against in one.verdict.against):
                due.append(now + AGAIN_SECONDS)
            if isinstance(one.found.live_since, float) and any(said.rule == "soak" for said in one.verdict.against):
                due.append(one.found.live_since + one.found.terms.soak)
            if one.until is not None:
                due.append(one.until)
        return max(now + 1.0, min(due)) if due else None

    async def _tell(self, repository: Repository, gate: Gate, said: Check, later: float | None = None) -> None:
        if gate.check_id is None:
            return
        if said.conclusion is not None:
            await self._store.write(gates.ending, gate.project_id, gate.sha, gate.run)
        await repository.update_check(
            gate.check_id,
            status=said.status,
            conclusion=said.conclusion,
            title=said.title,
            summary=said.summary,
            text=said.text,
        )
        await self._store.write(_told, gate, said, later, self._clock())

    async def abandon(self, project_id: int, sha: str, reason: str) -> None:
        """The last try failed by a fault of ours: the check ends all the same."""
        project = await self._store.read(projects.project, project_id)
        gate = await self._store.read(gates.gate, project_id, sha)
        if project is None or gate is None or gate.check_id is None or gate.conclusion not in (None, "ending"):
            return
        repository = self._github.repository(project.installation_id, project.id, project.full_name)
        try:
            if gate.conclusion is None or await self._goes_on(repository, gate):
                await self._tell(repository, gate, given_up(reason))
        except (GitHubRefused, GitHubDown, TryLater):
            return  # it is not ours to tell any more; or the clock asks again


@dataclasses.dataclass(frozen=True, slots=True)
class _Weighed:
    """One pull request.  `until`: when a rule that somebody lifted comes back."""

    found: Facts
    verdict: Verdict
    until: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """What the books say of a pull request's head."""

    pull: PullRequest
    preview: Preview
    live_since: float | None
    said: leaves.Said
    policy_change: PolicyChange | Unknown | None
    scan: Scanned | Unknown | None
    until: float | None


def _seen(session: Session, project_id: int, number: int, now: float) -> _Seen:
    pull = session.get_one(PullRequest, (project_id, number))
    newest = session.get(Deployment, pull.displayed) if pull.displayed else None
    at_head = newest if newest is not None and newest.sha == pull.head_sha else None
    return _Seen(
        pull,
        PREVIEWS.get(at_head.state, "working") if at_head else "working",
        at_head.live_at if at_head else None,
        leaves.said(session, project_id, number, pull.head_sha, ENVIRONMENT, now),
        policies.change_of(session, project_id, number, pull.head_sha),
        scans.scanned(session, (project_id, number, pull.head_sha), now),
        gates.lifted_until(session, project_id, number, pull.head_sha, now),
    )


def _numbers(session: Session, project_id: int, sha: str) -> tuple[list[int], Gate | None]:
    """Whom a commit is about: the pull requests of a group of the merge queue, else those whose head it is."""
    numbers = gates.group(session, project_id, sha) or projects.pulls_of_head(session, project_id, sha)
    return numbers, gates.gate(session, project_id, sha)


def _told(session: Session, gate: Gate, said: Check, later: float | None, now: float) -> None:
    gates.told(session, gate.project_id, gate.sha, gate.run, said.conclusion, said.title)
    if later is not None:
        gates.ask_later(session, gate.project_id, gate.sha, later, now)
