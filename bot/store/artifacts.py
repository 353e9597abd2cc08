"""Row functions about what builds left: whose it is, and what nothing needs any more."""

from __future__ import annotations

from sqlmodel import Session, col, select

from bot.models import Build, Deployment
from bot.store import retention
from bot.store.deployments import HOLDING, WORKING


def unused(session: Session, project_id: int) -> list[Build]:
    """Forget and return builds that nothing shows and no environment returns to; none while something is built."""
    rows = session.exec(
        select(Deployment).where(Deployment.project_id == project_id, col(Deployment.state).in_((*HOLDING, *WORKING)))
    ).all()
    if any(row.state.working for row in rows):
        return []
    needed = {row.artifact for row in rows} | retention.kept(session)
    builds = session.exec(select(Build).where(Build.project_id == project_id)).all()
    free = [build for build in builds if build.artifact not in needed]
    for build in free:
        session.delete(build)
    return free


def commits_of(session: Session, project_id: int, artifact: str) -> set[str]:
    """Commits that an artifact was made of."""
    query = select(Deployment.sha).where(Deployment.project_id == project_id, Deployment.artifact == artifact)
    return set(session.exec(query))


def build_of(session: Session, artifact: str) -> Build | None:
    return session.exec(select(Build).where(Build.artifact == artifact)).first()
