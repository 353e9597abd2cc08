"""Row functions about projects, pull requests and their deployments.  All take a session and run inside one write.

A deployment moves forward only: a row that has ended is never revived by work that comes late.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from bot.store.rows import set_route
from sqlmodel import Session, col, select

from bot.models import Build, Deployment, Project, PullRequest, Route, State

SERVING = (State.LIVE, State.ASLEEP)
HOLDING = (State.LIVE, State.ASLEEP, State.REPLACED)  # may hold an instance and keep an artifact
WORKING = (State.QUEUED, State.FETCHING, State.BUILDING, State.STARTING)


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """A pull request and what stands on it."""

    project: Project
    pull: PullRequest
    newest: Deployment | None
    serving: Deployment | None


def note_project(session: Session, project: Project, now: float) -> Project:
    """Keep what GitHub says of a repository; its number stays, its name may change."""
    row = session.get(Project, project.id) or project
    for field in ("installation_id", "owner", "name", "default_branch", "private", "state"):
        setattr(row, field, getattr(project, field))
    row.updated_at = now
    session.add(row)
    return row


def note_pull(session: Session, project: Project, pull: PullRequest, now: float) -> tuple[Project, PullRequest]:
    """Keep what GitHub says of a pull request, unless we know something newer; what we hold is returned."""
    kept = note_project(session, project, now)
    row = session.get(PullRequest, (pull.project_id, pull.number))
    if row is None:
        pull.opened_at = now
        pull.changes = 1
        session.add(pull)
        return kept, pull
    if pull.updated_at >= row.updated_at:
        for field in _FROM_GITHUB:
            if getattr(row, field) != getattr(pull, field):
                setattr(row, field, getattr(pull, field))
                row.changes += field in _SHOWN
        if row.state == "open":
            row.closed_at, row.receipt = None, None
    session.add(row)
    return kept, row


_FROM_GITHUB = (
    *("title", "state", "draft", "fork", "head_sha", "head_ref", "base_ref"),
    *("author_id", "author", "author_is_bot", "updated_at"),
)
_SHOWN = ("state", "head_sha")


def standing(session: Session, project_id: int, number: int) -> Standing | None:
    pull, project = session.get(PullRequest, (project_id, number)), session.get(Project, project_id)
    if pull is None or project is None:
        return None
    newest = session.get(Deployment, pull.displayed) if pull.displayed else None
    return Standing(project, pull, newest, _serving(session, project_id, number))


def begin(session: Session, guid: str, pull: PullRequest, sha: str, now: float) -> Deployment:
    """The deployment that a delivery asks for: made once, found again when the delivery is tried again.

    Older ones of the pull request that are still being worked on end here."""
    row = session.exec(select(Deployment).where(Deployment.delivery == guid)).first()
    for older in _of_pull(session, pull.project_id, pull.number, WORKING):
        if older.delivery != guid:
            older.state, older.ended_at = State.CANCELLED, now
            session.add(older)
    if row is None:
        row = Deployment(
            delivery=guid,
            project_id=pull.project_id,
            number=pull.number,
            sha=sha,
            received_at=now,
            active_at=now,
            timeline=[[now, "accepted"]],
        )
        session.add(row)
    held = session.get_one(PullRequest, (pull.project_id, pull.number))
    held.displayed, held.changes = row.id, held.changes + 1
    session.add(held)
    return row


def advance(session: Session, deployment: str, state: State, words: str, now: float, **fields: Any) -> bool:
    """One step forward, told on the page and to GitHub.  False: it has ended meanwhile, nothing was written."""
    row = session.get(Deployment, deployment)
    if row is None or not row.state.working:
        return False
    row.state = state
    row.timeline = [*row.timeline, [now, words]]
    for field, value in fields.items():
        setattr(row, field, value)
    if state.ended:
        row.ended_at = now
    session.add(row)
    _refresh_pages(session, row)
    _changed(session, row)
    return True


def go_live(
    session: Session,
    deployment: str,
    routes: Mapping[str, dict[str, Any]],
    resting: Mapping[str, dict[str, Any]],
    now: float,
    **fields: Any,
) -> list[Deployment] | None:
    """The switch: routes, this deployment live, the former one replaced, in one transaction.

    `resting`: where the former one's own address leads from now on, by deployment id -> {host, target}.
    Returns the replaced deployments as they were (with their instances), or None when this one has ended meanwhile."""
    row = session.get(Deployment, deployment)
    if row is None or row.number is None or not row.state.working:
        return None
    former = _of_pull(session, row.project_id, row.number, SERVING)
    for old in former:
        old.state = State.REPLACED
        session.add(old)
        rest = resting.get(old.id)
        if rest is not None:
            set_route(session, rest["host"], old.id, rest["target"])
    row.state, row.live_at, row.active_at = State.LIVE, now, now
    row.timeline = [*row.timeline, [now, "live"]]
    for field, value in fields.items():
        setattr(row, field, value)
    session.add(row)
    for host, target in routes.items():
        set_route(session, host, row.id, target)
    _changed(session, row)
    return former


def put(session: Session, deployment: str, routes: Mapping[str, dict[str, Any] | None], **fields: Any) -> None:
    """Write fields of a deployment and its routes together; what GitHub shows may change with it."""
    row = session.get(Deployment, deployment)
    if row is None:
        return
    for field, value in fields.items():
        setattr(row, field, value)
    session.add(row)
    for host, target in routes.items():
        route = session.get(Route, host)
        if route is None or route.deployment == deployment:
            set_route(session, host, deployment, target)
    _changed(session, row)


def reserve(session: Session, host: str, deployment: str, target: dict[str, Any], *, take: bool) -> None:
    """Give a hostname a page from the first second; `take` also from a deployment that holds it."""
    route = session.get(Route, host)
    if take or route is None or route.target is None or route.target.get("kind") == "page":
        set_route(session, host, deployment, target)


def holding(session: Session, project_id: int, number: int) -> list[Deployment]:
    """Deployments of a pull request that are not gone yet."""
    return _of_pull(session, project_id, number, (*HOLDING, *WORKING))


def held(session: Session) -> list[Deployment]:
    """All deployments of the house that may hold an instance."""
    return list(session.exec(select(Deployment).where(col(Deployment.state).in_(HOLDING))))


def unshared(session: Session, deployments: Sequence[Deployment]) -> list[Build]:
    """Builds that only these deployments use."""
    ours = {row.id for row in deployments}
    digests = {row.artifact for row in deployments if row.artifact}
    others = session.exec(
        select(Deployment.artifact).where(
            col(Deployment.artifact).in_(digests),
            col(Deployment.id).not_in(ours),
            col(Deployment.state).in_((*HOLDING, *WORKING)),
        )
    )
    return list(session.exec(select(Build).where(col(Build.artifact).in_(digests - set(others)))))


def build_of(session: Session, artifact: str) -> Build | None:
    return session.exec(select(Build).where(Build.artifact == artifact)).first()


def _serving(session: Session, project_id: int, number: int) -> Deployment | None:
    rows = _of_pull(session, project_id, number, SERVING)
    return rows[-1] if rows else None


def _of_pull(session: Session, project_id: int, number: int, states: Sequence[State]) -> list[Deployment]:
    query = select(Deployment).where(
        Deployment.project_id == project_id, Deployment.number == number, col(Deployment.state).in_(states)
    )
    return list(session.exec(query.order_by(col(Deployment.received_at))))


def _refresh_pages(session: Session, row: Deployment) -> None:
    """Pages that speak of this deployment say what it says."""
    for route in session.exec(select(Route).where(Route.deployment == row.id)):
        if route.target and route.target.get("kind") == "page":
            lines = [words for _at, words in row.timeline]
            set_route(session, route.host, row.id, {**route.target, "state": row.state.value, "lines": lines})


def _changed(session: Session, row: Deployment) -> None:
    pull = session.get(PullRequest, (row.project_id, row.number)) if row.number is not None else None
    if pull is not None:
        pull.changes += 1
        session.add(pull)
