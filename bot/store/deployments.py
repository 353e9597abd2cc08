"""Row functions about projects, pull requests and their deployments.  All take a session and run inside one write.

A deployment moves forward only: a row that has ended is never revived by work that comes late.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from bot.errands import look
from bot.models import Build, Deployment, Installation, Project, PullRequest, Route, State
from bot.store import deliveries
from bot.store.rows import set_route

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
    if not pull.updated_at or pull.updated_at >= row.updated_at:
        if pull.updated_at == row.updated_at and any(getattr(row, each) != getattr(pull, each) for each in _SHOWN):
            _look_again(session, pull, now)
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


def _look_again(session: Session, pull: PullRequest, now: float) -> None:
    """Two states within one second of GitHub's clock: only GitHub can say which is the later one."""
    reason = f"{pull.head_sha}:{pull.state}:{pull.updated_at}"
    one = look(pull.project_id, pull.number, reason, pull.updated_at)
    deliveries.send(session, one, now, run_at=now + deliveries.LAG)


def standing(session: Session, project_id: int, number: int) -> Standing | None:
    pull, project = session.get(PullRequest, (project_id, number)), session.get(Project, project_id)
    if pull is None or project is None:
        return None
    newest = session.get(Deployment, pull.displayed) if pull.displayed else None
    return Standing(project, pull, newest, _serving(session, project_id, number))


def begin(session: Session, guid: str, pull: PullRequest, sha: str, now: float) -> Deployment:
    """The deployment that a delivery asks for: made once, found again when the delivery is tried again.

    Older ones of the pull request that are still being worked on end here."""
    row = of_delivery(session, guid)
    if row is not None and not row.state.working:
        return row  # tried again after it had ended
    for older in of_pull(session, pull.project_id, pull.number, WORKING):
        if older.delivery != guid:
            older.state, older.ended_at = State.CANCELLED, now
            session.add(older)
            _refresh_pages(session, older)
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
    changed(session, row)
    return True


def go_live(
    session: Session, deployment: str, routes: Mapping[str, dict[str, Any]], now: float, **fields: Any
) -> list[Deployment] | None:
    """The switch: routes, this deployment live, the former ones replaced, in one transaction.

    Returns the replaced deployments whose instances are to be stopped, or None when this one has ended meanwhile."""
    row = session.get(Deployment, deployment)
    if row is None or row.number is None or not row.state.working:
        return None
    former = of_pull(session, row.project_id, row.number, SERVING)
    left = [old for old in of_pull(session, row.project_id, row.number, (State.REPLACED,)) if left_over(session, old)]
    taken_over = (fields.get("instance") or {}).get("id")
    for old in former:
        old.state = State.REPLACED
        if old.instance is not None and old.instance["id"] == taken_over:
            old.instance = None  # an instance has one row, or putting the former to rest would stop it
        session.add(old)
    row.state, row.live_at, row.active_at = State.LIVE, now, now
    row.timeline = [*row.timeline, [now, "live"]]
    for field, value in fields.items():
        setattr(row, field, value)
    session.add(row)
    for host, target in routes.items():
        set_route(session, host, target["deployment"], target)
    changed(session, row)
    return left + former


def left_over(session: Session, row: Deployment) -> bool:
    """Whether it was replaced, no address leads to its instance, and that has not been stopped: we were interrupted."""
    if row.state is not State.REPLACED or not row.instance:
        return False
    target = target_of(session, row.id)
    return target is None or bool(target.get("asleep"))


def put(
    session: Session, deployment: str, seen: State | None, routes: Mapping[str, dict[str, Any]], **fields: Any
) -> list[str] | None:
    """Write fields of a deployment and those of its routes that are still its own, together.  Returns these.

    None: its state is not `seen` any more (another recipe came first), nothing was written."""
    row = session.get_one(Deployment, deployment)
    if seen is not None and row.state is not seen:
        return None
    mine = []
    for field, value in fields.items():
        setattr(row, field, value)
    session.add(row)
    for host, target in routes.items():
        route = session.get(Route, host)
        if route is None or route.deployment == deployment:
            set_route(session, host, deployment, target)
            mine.append(host)
    changed(session, row)
    return mine


def reserve(session: Session, hosts: tuple[str, str], deployment: str, page: dict[str, Any]) -> None:
    """Give (moving, fixed) hostnames a page from the first second; what already serves keeps its name."""
    for host in hosts:
        route = session.get(Route, host)
        if route is None or route.target is None or route.target.get("kind") == "page":
            set_route(session, host, deployment, page)


def get(session: Session, deployment: str) -> Deployment | None:
    return session.get(Deployment, deployment)


def of_delivery(session: Session, guid: str) -> Deployment | None:
    return session.exec(select(Deployment).where(Deployment.delivery == guid)).first()


def held(session: Session) -> list[Deployment]:
    """All deployments of the house that may hold an instance."""
    return list(session.exec(select(Deployment).where(col(Deployment.state).in_(HOLDING))))


def project(session: Session, project_id: int) -> Project | None:
    return session.get(Project, project_id)


def note_installation(session: Session, installation: Installation, now: float) -> None:
    installation.updated_at = now
    session.merge(installation)


def leave(session: Session, installation_id: int, only: Sequence[int] | None) -> list[int]:
    """Projects that an installation gave up: `only` these, or all.  Returns their ids."""
    query = select(Project).where(Project.installation_id == installation_id, Project.state != "gone")
    rows = session.exec(query if only is None else query.where(col(Project.id).in_(only))).all()
    for row in rows:
        row.state = "gone"
        session.add(row)
    return [row.id for row in rows]


def pulls_of_branch(session: Session, project_id: int, branch: str) -> list[int]:
    query = select(PullRequest.number).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    return list(session.exec(query.where(PullRequest.head_ref == branch)))


def pulls_of_head(session: Session, project_id: int, sha: str) -> list[int]:
    query = select(PullRequest.number).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    return list(session.exec(query.where(PullRequest.head_sha == sha)))


def pulls_held(session: Session, projects: Sequence[int]) -> list[tuple[int, int]]:
    """(project, number) of the pull requests of these projects that something still stands on."""
    query = select(Deployment.project_id, Deployment.number).where(
        col(Deployment.project_id).in_(projects), col(Deployment.state).in_((*HOLDING, *WORKING))
    )
    return sorted({(owner, number) for owner, number in session.exec(query) if number is not None})


def target_of(session: Session, deployment: str) -> dict[str, Any] | None:
    """Where a deployment's addresses lead."""
    route = session.exec(select(Route).where(Route.deployment == deployment, col(Route.target).is_not(None))).first()
    return route.target if route else None


def note_agent(session: Session, project_id: int, number: int, name: str, why: str) -> None:
    pull = session.get_one(PullRequest, (project_id, number))
    if (pull.agent, pull.agent_why) != (name, why):
        pull.agent, pull.agent_why, pull.changes = name, why, pull.changes + 1
        session.add(pull)


def build_of(session: Session, artifact: str) -> Build | None:
    return session.exec(select(Build).where(Build.artifact == artifact)).first()


def _serving(session: Session, project_id: int, number: int) -> Deployment | None:
    rows = of_pull(session, project_id, number, SERVING)
    return rows[-1] if rows else None


def of_pull(session: Session, project_id: int, number: int, states: Sequence[State]) -> list[Deployment]:
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


def changed(session: Session, row: Deployment) -> None:
    pull = session.get(PullRequest, (row.project_id, row.number)) if row.number is not None else None
    if pull is not None:
        pull.changes += 1
        session.add(pull)
