"""Who may, asked of GitHub now; never a label, an association, a login or a date.  What GitHub does not say denies."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar, cast

from bot.agents import CO_AUTHOR, MESSAGE_READ, NUMBERED
from bot.errors import GitHubDown, GitHubRefused
from bot.github import Repository
from bot.github.repository import COMMITS
from bot.github.shapes import Malformed, pull_of
from bot.models import PullRequest
from bot.policy import Changed, Check, Facts, Review, Role, Unknown
from bot.policy.facts import NOT_ASKED
from bot.policy.terms import Circles

T = TypeVar("T")
DECISIVE = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")  # a later comment takes nothing back
ROLES = {role.word: role for role in Role}
# `permission` knows no maintain and no triage: it says write and read instead.
HIGHEST = {Role.WRITE: Role.MAINTAIN, Role.READ: Role.TRIAGE}


async def role_of(repository: Repository, login: str, user_id: int) -> Role | Unknown:
    """What the account with this number may do in the repository now.

    GitHub is asked by login and the number in its answer is compared: a login may belong to somebody else by now.
    Raises TryLater.
    """
    if not login:
        return Unknown("the account has no name any more")
    answer = await _known(repository.permission(login))
    if isinstance(answer, Unknown):
        return answer
    if _id(answer.get("user")) != user_id:
        return Unknown(f"the account {login} is not the one with the number {user_id}")
    return _role(answer.get("permission"), answer.get("role_name"))


async def by_email(repository: Repository, node: str) -> bool | Unknown:
    """Whether a comment came as an e-mail.  Raises TryLater.

    Whoever gets hold of a notification can answer it in its reader's name, so an e-mail proves nobody's will.  A server
    without GraphQL, or whose deliveries do not name the comment's node, takes none that could be told apart: nothing
    speaks against them.  Nobody but the server decides either, and its deliveries are signed.
    """
    if not node:
        return False
    answer = await _known(repository.by_email(node))
    return False if answer is None else answer


def _role(permission: object, role_name: object) -> Role | Unknown:
    """The exact role when it fits what the older word says; else the lower of the two.  Custom roles have only that."""
    least = ROLES.get(str(permission))
    if least is None:
        return Unknown("GitHub's answer names no permission")
    exact = ROLES.get(str(role_name), least)
    return exact if exact == HIGHEST.get(least) else min(exact, least)


async def facts(
    repository: Repository, project_id: int, number: int, asker: Facts, requesters: Iterable[int] = ()
) -> Facts:
    """`asker`, with everything else that it is judged by, live from GitHub.  Raises TryLater.

    An `actor_id` of 0 asks for nobody: what somebody may do is not looked up.  `requesters` are accounts known to have
    asked for the change, beside those whom GitHub assigned.  Of a merged pull request nobody compares trees here:
    `merged_same` is unknown until the caller, who has the files, sets it (`merge_sha` is the commit to compare).
    """
    async with together() as group:
        role = group.create_task(role_of(repository, asker.actor_login, asker.actor_id)) if asker.actor_id else None
        teams = group.create_task(teams_of(repository, asker.actor_login, asker.terms.deployers))
        raw = group.create_task(_known(repository.pull(number)))
    if role is not None:
        asker = dataclasses.replace(asker, actor_role=role.result(), actor_teams=teams.result())
    pull = _pull(raw.result(), project_id, number)
    if isinstance(pull, Unknown):
        return _blind(asker, pull)
    return await _of_pull(repository, asker, pull, cast("dict[str, Any]", raw.result()), requesters)


async def _of_pull(
    repository: Repository, asker: Facts, pull: PullRequest, raw: Mapping[str, Any], requesters: Iterable[int]
) -> Facts:
    async with together() as group:
        commits = group.create_task(_known(repository.pull_commits(pull.number)))
        reviews = group.create_task(_known(repository.reviews(pull.number)))
        checks = group.create_task(_known(_checks(repository, pull.head_sha)))
        changed = group.create_task(_changed(repository, asker, raw))
    found, merged = _of_head(commits.result(), pull.head_sha), pull.state == "merged"
    asker = dataclasses.replace(
        asker,
        author_id=pull.author_id or Unknown("the account that opened it is gone"),
        state=cast('Literal["open", "closed", "merged"]', pull.state),
        draft=pull.draft,
        fork=pull.fork,
        head_sha=pull.head_sha,
        merge_sha=str(raw.get("merge_commit_sha") or "") or None if merged else None,
        merged_same=Unknown("the trees were not compared") if merged else None,
        hands=_hands(raw, found),
        nameless=_nameless(found),
        requesters=_requesters(raw, requesters),
        checks=checks.result(),
        changed=changed.result(),
    )
    return dataclasses.replace(asker, reviews=await _reviews(repository, reviews.result(), asker))


async def teams_of(repository: Repository, login: str, circles: Circles) -> frozenset[str] | Unknown:
    """Those of the teams that these circles name which an account is in now.  Raises TryLater."""
    named = sorted({one for circle in circles for one in circle if one.startswith("team:")})
    if not named or not login:
        return frozenset()
    async with together() as group:
        asked = [group.create_task(_known(repository.in_team(*_team(one), login))) for one in named]
    doubt = next((answer for task in asked if isinstance(answer := task.result(), Unknown)), None)
    return doubt or frozenset(one for one, task in zip(named, asked, strict=True) if task.result())


def _team(principal: str) -> tuple[str, str]:
    organization, _, slug = principal.removeprefix("team:").partition("/")
    return organization, slug


async def _changed(repository: Repository, asker: Facts, raw: Mapping[str, Any]) -> Changed | Unknown:
    """What an agent's change touches, where the policy wants to know."""
    if asker.agent is None or not asker.policy.agents.require.looks_at_changes:
        return NOT_ASKED
    files, lines = raw.get("changed_files"), (raw.get("additions"), raw.get("deletions"))
    if not isinstance(files, int) or not all(isinstance(one, int) for one in lines):
        return Unknown("GitHub does not say how large it is")
    listed = await _known(repository.files(int(raw["number"])))
    if isinstance(listed, Unknown):
        return listed
    # A moved file touches both places.
    paths = {str(one[key]) for one in listed for key in ("filename", "previous_filename") if one.get(key)}
    return Changed(files, sum(cast("tuple[int, int]", lines)), tuple(sorted(paths)), whole=len(listed) >= files)


def _pull(raw: dict[str, Any] | Unknown, project_id: int, number: int) -> PullRequest | Unknown:
    if isinstance(raw, Unknown):
        return raw
    try:
        pull = pull_of(raw, project_id)
    except Malformed as error:
        return Unknown(f"GitHub's answer can't be read: {error}")
    if pull.number != number or _id((raw.get("base") or {}).get("repo")) != project_id:
        return Unknown("GitHub answers for another repository under this name")
    return pull


def _blind(asker: Facts, why: Unknown) -> Facts:
    """Nothing is known of the pull request."""
    fields = (
        *("author_id", "state", "draft", "fork", "head_sha", "merged_same"),
        *("reviews", "hands", "nameless", "checks", "changed"),
    )
    unknown: dict[str, Any] = dict.fromkeys(fields, why)
    return dataclasses.replace(asker, **unknown)


# ---- who had a hand in it


def _of_head(commits: Sequence[dict[str, Any]] | Unknown, head: str) -> Sequence[dict[str, Any]] | Unknown:
    """The commits, when they are those of the head that is judged: a push may come between two questions."""
    if isinstance(commits, Unknown) or len(commits) >= COMMITS or any(one.get("sha") == head for one in commits):
        return commits
    return Unknown("somebody pushed while it was looked at")


def _hands(raw: Mapping[str, Any], commits: Sequence[Mapping[str, Any]] | Unknown) -> frozenset[int] | Unknown:
    """The author, who wrote or committed anything, and co-authors by GitHub's own addresses."""
    if isinstance(commits, Unknown):
        return commits
    if len(commits) >= COMMITS or not commits:
        return Unknown(f"GitHub lists {len(commits)} of its commits, and no more than {COMMITS} of any")
    hands = {_id(raw.get("user"))}
    for commit in commits:
        hands.update(_id(commit.get(part)) for part in ("author", "committer"))
        hands.update(_numbers(commit.get("commit")))
    return frozenset(number for number in hands if number is not None)


def _nameless(commits: Sequence[Mapping[str, Any]] | Unknown) -> bool | Unknown:
    """Whether GitHub links the author of a commit to no account, and its address names none either."""
    if isinstance(commits, Unknown):
        return commits
    return any("author" in one and one["author"] is None and not [*_numbers(one.get("commit"))] for one in commits)


def _requesters(raw: Mapping[str, Any], known: Iterable[int]) -> frozenset[int]:
    """Who asked a machine for it: GitHub assigns them to the pull request that the machine opens."""
    machine = _kind(raw.get("user")) == "Bot"
    assigned = [_id(person) for person in raw.get("assignees") or ()] if machine else []
    return frozenset({*known, *(number for number in assigned if number is not None)})


def _numbers(commit: object) -> Iterator[int]:
    """Account numbers in addresses of the form that GitHub gives out.  Anybody can write them: they only exclude."""
    if not isinstance(commit, Mapping):
        return
    signed = [part.get("email") for part in map(commit.get, ("author", "committer")) if isinstance(part, Mapping)]
    lines = str(commit.get("message") or "")[:MESSAGE_READ].lower().splitlines()
    named = [found[1] for line in lines if (found := CO_AUTHOR.fullmatch(line.strip()))]
    for address in [*signed, *named]:
        numbered = NUMBERED.fullmatch(str(address).strip().lower())
        if numbered:
            yield int(numbered[1])


# ---- reviews and checks


async def _reviews(
    repository: Repository, rows: Sequence[Mapping[str, Any]] | Unknown, asker: Facts
) -> tuple[Review, ...] | Unknown:
    """What each account last decided, and who approved by command.  Only those whose word could count are looked up."""
    if isinstance(rows, Unknown):
        return rows
    by_command = () if isinstance(asker.reviews, Unknown) else asker.reviews
    decided, circles = [*_decisions(rows), *by_command], asker.terms.approvals.from_
    hands = frozenset[int]()
    if not isinstance(asker.hands, Unknown) and "committers" in asker.terms.approvals.exclude:
        hands = asker.hands

    async def ask(review: Review) -> Review:
        approves = review.state == "APPROVED" and review.commit == asker.head_sha and review.reviewer_id not in hands
        if not review.person or not (approves or review.state == "CHANGES_REQUESTED"):
            return review
        async with together() as group:
            role = group.create_task(role_of(repository, review.login, review.reviewer_id))
            teams = group.create_task(teams_of(repository, review.login, circles))
        return dataclasses.replace(review, role=role.result(), teams=teams.result())

    async with together() as group:
        asked = [group.create_task(ask(review)) for review in decided]
    return tuple(task.result() for task in asked)


def _decisions(rows: Sequence[Mapping[str, Any]]) -> list[Review]:
    latest: dict[int, Review] = {}
    for row in sorted(rows, key=lambda row: (str(row.get("submitted_at") or ""), _id(row) or 0)):
        user, state = row.get("user"), str(row.get("state")).upper()
        number = _id(user)
        if number is None or state not in DECISIVE:
            continue
        person = _kind(user) == "User" and not row.get("performed_via_github_app")
        login, commit = str(cast("Mapping[str, Any]", user).get("login") or ""), row.get("commit_id")
        unasked = Unknown("it was not asked")
        latest[number] = Review(number, login, person, state, commit if isinstance(commit, str) else None, unasked)
    return list(latest.values())


async def _checks(repository: Repository, head: str) -> tuple[Check, ...]:
    """The latest run of each check: the same name may come from several apps, and from several suites of one app."""
    own = await repository.own_app()
    latest: dict[tuple[str, int | None, int | None], tuple[int, Check]] = {}
    for run in await repository.check_runs(head):
        app, number, conclusion = _id(run.get("app")), _id(run) or 0, run.get("conclusion")
        name, status = str(run.get("name")), str(run.get("status"))
        check = Check(name, app, app == own, status, str(conclusion) if conclusion else None)
        key = (name, app, _id(run.get("check_suite")))
        if key not in latest or latest[key][0] < number:
            latest[key] = (number, check)
    return tuple(check for _, check in latest.values())


# ---- GitHub's answers


async def _known(asked: Awaitable[T]) -> T | Unknown:
    """The answer, or why there is none.  A rate limit is neither: the work comes back later."""
    try:
        return await asked
    except (GitHubRefused, GitHubDown) as error:
        return Unknown(str(error))


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Side by side; the first thing that goes wrong is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


def _id(thing: object) -> int | None:
    number = thing.get("id") if isinstance(thing, Mapping) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _kind(user: object) -> str:
    return str(user.get("type")) if isinstance(user, Mapping) else ""
