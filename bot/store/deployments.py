"""Row functions about projects, pull requests and their deployments.  All take a session and run inside one write.

A deployment moves forward only: a row that has ended is never revived by work that comes late.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from bot import errands
from bot.audit import Entry
from bot.models import Build, Deployment, Project, PullRequest, Route, State
from bot.store import audit, deliveries, gates, retention
from bot.store.rows import set_route

GATE_PATIENCE = 1.5  # seconds: of a head that is replaced within them nobody is told anything
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
    for older in _of_pull(session, pull.project_id, pull.number, WORKING):
        if older.delivery != guid:
            older.state, older.ended_at = State.CANCELLED, now
            session.add(older)
            _refresh_pages(session, older)
            audit.of_preview(session, "preview.cancelled", older, now, guid=guid)
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
        audit.of_preview(session, "preview.accepted", row, now, guid=guid)
        gates.ask(session, row.project_id, sha, row.id, now, run_at=now + GATE_PATIENCE)
        deliveries.send(session, errands.policy(row.project_id, pull.number, guid), now)
    held = session.get_one(PullRequest, (pull.project_id, pull.number))
    held.displayed, held.changes = row.id, held.changes + 1
    session.add(held)
    return row


def begin_merge(session: Session, guid: str, pull: PullRequest, sha: str, now: float) -> Deployment:
    """The deployment that shows what was merged."""
    session.get_one(PullRequest, (pull.project_id, pull.number)).merge_sha = sha
    return begin(session, guid, pull, sha, now)


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
        by = None if state is State.CANCELLED else row.delivery
        audit.of_preview(session, f"preview.{state.value}", row, now, guid=by)
        gates.ask(session, row.project_id, row.sha, f"{row.id}:{state.value}", now)
    session.add(row)
    _refresh_pages(session, row)
    _changed(session, row)
    return True


def go_live(
    session: Session, deployment: str, routes: Mapping[str, dict[str, Any]], now: float, **fields: Any
) -> list[Deployment] | None:
    """The switch: routes, this deployment live, the former ones replaced, in one transaction.

    Returns the replaced deployments (with their instances), or None when this one has ended meanwhile."""
    row = session.get(Deployment, deployment)
    if row is None or row.number is None or not row.state.working:
        return None
    former = _of_pull(session, row.project_id, row.number, SERVING)
    left = [old for old in _of_pull(session, row.project_id, row.number, (State.REPLACED,)) if left_over(session, old)]
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
    served = {"replaced": [old.id for old in former], "artifacts": [old.artifact for old in former]}
    audit.of_preview(session, "preview.live", row, now, guid=row.delivery, before=served, hosts=sorted(routes))
    gates.ask(session, row.project_id, row.sha, f"{row.id}:live", now)
    _changed(session, row)
    return left + former


def left_over(session: Session, row: Deployment) -> bool:
    """Whether it was replaced, no address leads to its instance, and that has not been stopped: we were interrupted."""
    if row.state is not State.REPLACED or not row.instance:
        return False
    target = target_of(session, row.id)
    return target is None or bool(target.get("asleep"))


def put(
    session: Session, deployment: str, seen: State, routes: Mapping[str, dict[str, Any]], now: float, **fields: Any
) -> list[str] | None:
    """Write fields of a deployment and those of its routes that are still its own, together.  Returns these.

    None: its state is not `seen` any more (another recipe came first), nothing was written."""
    row = session.get_one(Deployment, deployment)
    if row.state is not seen:
        return None
    mine = []
    for field, value in fields.items():
        setattr(row, field, value)
    session.add(row)
    if row.state is not seen:
        what = "preview.asleep" if row.state is State.ASLEEP else "preview.awake"
        audit.of_preview(session, what, row, now, before={"state": seen.value})
    for host, target in routes.items():
        route = session.get(Route, host)
        if route is None or route.deployment == deployment:
            set_route(session, host, deployment, target)
            mine.append(host)
    _changed(session, row)
    return mine


def emptied(
    session: Session, deployment: str, instance: str, routes: Mapping[str, dict[str, Any]], now: float
) -> Mapping[str, dict[str, Any]]:
    """That instance of a replaced deployment was stopped: its addresses lead to `routes`.  Returns those that do.

    None of them when it has another instance by now."""
    row = session.get_one(Deployment, deployment)
    if row.state is not State.REPLACED or (row.instance or {}).get("id") != instance:
        return {}
    mine = put(session, deployment, State.REPLACED, routes, now, instance=None)
    return {host: routes[host] for host in mine or ()}


def reserve(session: Session, hosts: tuple[str, str], deployment: str, page: dict[str, Any]) -> None:
    """Give (moving, fixed) hostnames a page from the first second; what already serves keeps its name."""
    for host in hosts:
        route = session.get(Route, host)
        if route is None or route.target is None or route.target.get("kind") == "page":
            set_route(session, host, deployment, page)


def closing(session: Session, project_id: int, number: int, now: float, guid: str | None = None) -> list[Deployment]:
    """End all deployments of a pull request that was closed and write down what there is to remove.

    Tried again after a crash, it finds the same rows: those whose removal was not confirmed yet."""
    pull = session.get_one(PullRequest, (project_id, number))
    rows = _of_pull(session, project_id, number, (*HOLDING, *WORKING))
    rows = [row for row in rows if row.sha != pull.merge_sha]  # that came after the closing
    if pull.receipt is None and pull.displayed is not None:
        pull.receipt = {
            "instances": sum(row.instance is not None for row in rows),
            "addresses": len({row.sha for row in rows}) + bool(rows),
            "builds": len(unshared(session, rows)),
            "seconds": now - pull.opened_at,
            "deployments": [row.id for row in rows],
            "verified": False,
        }
    pull.closed_at = pull.closed_at or now
    pull.changes += 1
    session.add(pull)
    _end(session, rows, now, "preview.closed", guid)
    if not rows and pull.receipt and not pull.receipt["verified"]:
        return [session.get_one(Deployment, one) for one in pull.receipt["deployments"]]
    return rows


def closed(session: Session, project_id: int, number: int, verified: bool, now: float, guid: str | None = None) -> None:
    """The removal was looked at again: `verified` when nothing was left."""
    pull = session.get_one(PullRequest, (project_id, number))
    if pull.receipt is not None:
        if pull.receipt["verified"] != verified:
            said = {"verified": verified, "deployments": pull.receipt["deployments"]}
            entry = Entry("preview.gone", now, project_id=project_id, number=number, environment="preview")
            audit.append(session, dataclasses.replace(entry, delivery=guid, after=said))
        pull.receipt = {**pull.receipt, "verified": verified}
        pull.changes += 1
    session.add(pull)


def expiring(
    session: Session,
    project_id: int,
    number: int,
    now: float,
    guid: str | None = None,
    *,
    states: Sequence[State],
    only: str | None = None,
) -> list[Deployment]:
    """End what is in these states of a pull request, or `only` that one.

    Tried again after a crash, it finds the same rows: those that still hold something."""
    left = [row for row in _of_pull(session, project_id, number, (State.REMOVED,)) if _holds(session, row)]
    rows = [row for row in _of_pull(session, project_id, number, states) if only in (None, row.id)]
    _end(session, rows, now, "preview.removed", guid)
    if rows:
        _changed(session, rows[-1])
    return left + rows


def _holds(session: Session, row: Deployment) -> bool:
    routes = session.exec(select(Route).where(Route.deployment == row.id, col(Route.target).is_not(None)))
    return bool(row.instance) or any((route.target or {}).get("kind", "page") != "page" for route in routes)


def unroute(session: Session, ids: Sequence[str], moving: str, page: dict[str, Any] | None) -> list[str]:
    """Drop the hostnames of these deployments; the moving one gets the page that says why.  Returns the dropped."""
    gone = []
    for route in session.exec(select(Route).where(col(Route.deployment).in_(ids))).all():
        if route.host != moving:
            set_route(session, route.host, route.deployment, None)
            gone.append(route.host)
    if page is not None:
        set_route(session, moving, page["deployment"], page)
    return gone


def get(session: Session, deployment: str) -> Deployment | None:
    return session.get(Deployment, deployment)


def of_delivery(session: Session, guid: str) -> Deployment | None:
    return session.exec(select(Deployment).where(Deployment.delivery == guid)).first()


def held(session: Session) -> list[Deployment]:
    """All deployments of the house that may hold an instance."""
    return list(session.exec(select(Deployment).where(col(Deployment.state).in_(HOLDING))))


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


def unshared(session: Session, rows: Sequence[Deployment]) -> list[Build]:
    """Builds that only these deployments use."""
    ours = {row.id for row in rows}
    digests = {row.artifact for row in rows if row.artifact}
    others = session.exec(
        select(Deployment.artifact).where(
            col(Deployment.artifact).in_(digests),
            col(Deployment.id).not_in(ours),
            col(Deployment.state).in_((*HOLDING, *WORKING)),
        )
    ).all()
    free = digests - set(others) - retention.kept(session)
    return list(session.exec(select(Build).where(col(Build.artifact).in_(free))))


def emptied_all(session: Session, rows: Sequence[Deployment]) -> list[Build]:
    """Their instances were stopped.  Returns the builds that only they used, which are not found again."""
    for row in rows:
        session.get_one(Deployment, row.id).instance = None
    builds = unshared(session, rows)
    for build in builds:
        session.delete(build)
    return builds


def uses_commit(session: Session, project_id: int, sha: str) -> bool:
    """Whether anything that is not gone still needs the files of a commit, or of another with the same tree."""
    trees = select(Deployment.tree).where(Deployment.project_id == project_id, Deployment.sha == sha)
    query = select(Deployment.id).where(
        Deployment.project_id == project_id,
        col(Deployment.state).in_((*HOLDING, *WORKING)) | col(Deployment.artifact).in_(retention.kept(session)),
        (col(Deployment.sha) == sha) | col(Deployment.tree).in_(trees),
    )
    return session.exec(query).first() is not None


def _end(session: Session, rows: Sequence[Deployment], now: float, what: str, guid: str | None) -> None:
    for row in rows:
        before = {"state": row.state.value}
        row.state = State.REMOVED if row.live_at is not None else State.CANCELLED
        row.ended_at = now
        session.add(row)
        audit.of_preview(session, what, row, now, guid=guid, before=before)


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
