"""Small functions on small tables: routes, activity, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, func, select, update

from bot.models import Delivery, Deployment, Effect, Project, Route, State, Work


def set_route(session: Session, host: str, deployment: str, target: Mapping[str, Any] | None) -> int:
    """Lead a hostname somewhere (`Target.as_json()`), or nowhere (None); the version that followers see it by."""
    version = (session.exec(select(func.max(Route.version))).one() or 0) + 1
    kept = dict(target) if target is not None else None
    session.merge(Route(host=host, deployment=deployment, target=kept, version=version))
    session.flush()
    return version


def routes_after(session: Session, version: int) -> Sequence[Route]:
    """What followers that saw `version` have yet to see, oldest first."""
    newer = select(Route).where(col(Route.version) > version).order_by(col(Route.version))
    return session.exec(newer).all()


def note_activity(session: Session, activity: Mapping[str, float]) -> None:
    """When each deployment last had a request."""
    for deployment, at in activity.items():
        earlier = (col(Deployment.id) == deployment) & (col(Deployment.active_at) < at)
        session.execute(update(Deployment).where(earlier).values(active_at=at))


def work_by_state(session: Session) -> dict[Work, int]:
    """How much waits and how much runs."""
    counts = {Work.QUEUED: 0, Work.RUNNING: 0}
    for state in counts:
        number = select(func.count()).select_from(Delivery).where(text(f"state = '{state}'"))  # a literal: its index
        counts[state] = session.exec(number).one()
    return counts


def deployments_by_state(session: Session) -> dict[State, int]:
    rows = session.exec(select(Deployment.state, func.count()).group_by(col(Deployment.state))).all()
    return {state: dict(rows).get(state, 0) for state in State}


def projects(session: Session) -> int:
    """How many repositories we serve."""
    return session.exec(select(func.count()).select_from(Project).where(Project.state == "active")).one()


def project_named(session: Session, full_name: str) -> Project | None:
    """The repository that has this name today, when we serve it."""
    owner, _, name = full_name.partition("/")
    here = select(Project).where(Project.owner == owner, Project.name == name, Project.state == "active")
    return session.exec(here).first()


def alive(session: Session) -> None:
    """Does nothing; as a write it needs the write lock, and so says whether the database can be written."""
    session.execute(text("SELECT 1"))


def begin_effect(
    session: Session, key: str, now: float, note: Callable[[Session], None] | None
) -> tuple[int | None, bool]:
    """Write down what GitHub is about to be asked for: its id, when it is known, and whether this is the first time."""
    row = session.get(Effect, key)
    if row is not None:
        return row.remote_id, False
    session.add(Effect(key=key, asked_at=now))
    if note is not None:
        note(session)
    return None, True


def end_effect(session: Session, key: str, remote_id: int) -> None:
    session.get_one(Effect, key).remote_id = remote_id
