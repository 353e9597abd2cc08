"""Row functions about what goes when a preview goes.  All take a session and run inside one write.

Each finds what a crash left half done when it is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from bot.models import Build, Deployment, PullRequest, Route, State
from bot.store.deployments import HOLDING, WORKING, changed, of_pull, put
from bot.store.rows import set_route


def closing(session: Session, project_id: int, number: int, now: float) -> list[Deployment]:
    """End all deployments of a pull request that was closed and write down what there is to remove.

    Tried again after a crash, it finds the same rows: those whose removal was not confirmed yet."""
    pull = session.get_one(PullRequest, (project_id, number))
    rows = of_pull(session, project_id, number, (*HOLDING, *WORKING))
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
    _end(session, rows, now)
    if not rows and pull.receipt and not pull.receipt["verified"]:
        return [session.get_one(Deployment, one) for one in pull.receipt["deployments"]]
    return rows


def closed(session: Session, project_id: int, number: int, verified: bool) -> None:
    """The removal was looked at again: `verified` when nothing was left."""
    pull = session.get_one(PullRequest, (project_id, number))
    if pull.receipt is not None:
        pull.receipt = {**pull.receipt, "verified": verified}
        pull.changes += 1
    session.add(pull)


def expiring(
    session: Session, project_id: int, number: int, now: float, *, states: Sequence[State], only: str | None = None
) -> list[Deployment]:
    """End what is in these states of a pull request, or `only` that one.

    Tried again after a crash, it finds the same rows: those that still hold something."""
    left = [row for row in of_pull(session, project_id, number, (State.REMOVED,)) if _holds(session, row)]
    rows = [row for row in of_pull(session, project_id, number, states) if only in (None, row.id)]
    _end(session, rows, now)
    if rows:
        changed(session, rows[-1])
    return left + rows


def emptied(
    session: Session, deployment: str, instance: str, routes: Mapping[str, dict[str, Any]]
) -> Mapping[str, dict[str, Any]]:
    """That instance of a replaced deployment was stopped: its addresses lead to `routes`.  Returns those that do.

    None of them when it has another instance by now."""
    row = session.get_one(Deployment, deployment)
    if row.state is not State.REPLACED or (row.instance or {}).get("id") != instance:
        return {}
    return {host: routes[host] for host in put(session, deployment, None, routes, instance=None) or ()}


def emptied_all(session: Session, rows: Sequence[Deployment]) -> list[Build]:
    """Their instances were stopped.  Returns the builds that only they used, which are not found again."""
    for row in rows:
        session.get_one(Deployment, row.id).instance = None
    builds = unshared(session, rows)
    for build in builds:
        session.delete(build)
    return builds


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
    return list(session.exec(select(Build).where(col(Build.artifact).in_(digests - set(others)))))


def uses_commit(session: Session, project_id: int, sha: str) -> bool:
    """Whether anything that is not gone still needs the files of a commit, or of another with the same tree."""
    trees = select(Deployment.tree).where(Deployment.project_id == project_id, Deployment.sha == sha)
    query = select(Deployment.id).where(
        Deployment.project_id == project_id,
        col(Deployment.state).in_((*HOLDING, *WORKING)),
        (col(Deployment.sha) == sha) | col(Deployment.tree).in_(trees),
    )
    return session.exec(query).first() is not None


def _holds(session: Session, row: Deployment) -> bool:
    routes = session.exec(select(Route).where(Route.deployment == row.id, col(Route.target).is_not(None)))
    return bool(row.instance) or any((route.target or {}).get("kind", "page") != "page" for route in routes)


def _end(session: Session, rows: Sequence[Deployment], now: float) -> None:
    for row in rows:
        row.state = State.REMOVED if row.live_at is not None else State.CANCELLED
        row.ended_at = now
        session.add(row)
