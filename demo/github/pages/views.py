"""What the pages show, gathered from the records."""

from __future__ import annotations

from dataclasses import dataclass

from demo.github.records import Check, Comment, Deployment, DeploymentStatus, Moment, Pull, Repo

_TONES = {
    "success": "good",
    "failure": "bad",
    "error": "bad",
    "timed_out": "bad",
    "action_required": "warn",
    "in_progress": "busy",
    "queued": "idle",
    "pending": "idle",
    "waiting": "idle",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A check as a row: `tone` is good, bad, warn, busy, idle or calm."""

    id: int
    name: str
    state: str
    tone: str
    title: str
    url: str | None
    buttons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """The newest deployment of an environment, and how it stands."""

    name: str
    state: str
    tone: str
    sha: str
    url: str
    log: str
    description: str
    count: int


def newest_first(repo: Repo) -> list[Pull]:
    """Open ones before closed ones."""
    return sorted(repo.pulls.values(), key=lambda pull: (pull.state == "open", pull.number), reverse=True)


def conversation(pull: Pull) -> list[Comment | Moment]:
    comments = [one for one in pull.repo.comments.values() if one.number == pull.number]
    return sorted([*pull.timeline, *comments], key=_at)


def _at(one: Comment | Moment) -> float:
    return one.at if isinstance(one, Moment) else one.created_at


def shown(one: Check) -> Shown:
    state = one.conclusion or one.status
    buttons = tuple((str(row["identifier"]), str(row["label"])) for row in one.actions)
    return Shown(one.id, one.name, state, _TONES.get(state, "calm"), one.title or "", _web(one.details_url), buttons)


def checks(pull: Pull) -> list[Shown]:
    """The newest run of every name at the head."""
    rows = sorted((one for one in pull.repo.checks.values() if one.suite.sha == pull.head_sha), key=_age)
    newest = {one.name: one for one in rows}
    statuses = {one.context: one for one in pull.repo.statuses if one.sha == pull.head_sha}
    plain = [
        Shown(0, one.context, one.state, _TONES.get(one.state, "calm"), one.description or "", _web(one.target_url), ())
        for one in statuses.values()
    ]
    return sorted([*map(shown, newest.values()), *plain], key=lambda row: row.name)


def _age(one: Check) -> tuple[str, int]:
    return one.started_at, one.id


def _web(url: str | None) -> str | None:
    return url if url and url.startswith(("http://", "https://")) else None


def environments(pull: Pull) -> list[Environment]:
    """Of all commits that this pull request ever led with."""
    heads = {pull.head_sha, pull.merge_sha, *(moment.sha for moment in pull.timeline)}
    mine = [one for one in pull.repo.deployments.values() if one.sha in heads]
    newest: dict[str, Deployment] = {}
    for one in mine:
        newest[one.environment] = one
    return [_environment(one, sum(other.environment == one.environment for other in mine)) for one in newest.values()]


def _environment(one: Deployment, count: int) -> Environment:
    last: DeploymentStatus | None = one.statuses[-1] if one.statuses else None
    url = _web(last.environment_url) if last else None
    log = _web(last.log_url) if last else None
    words = last.description if last else ""
    return Environment(
        one.environment, one.state, _TONES.get(one.state, "calm"), one.sha, url or "", log or "", words, count
    )
