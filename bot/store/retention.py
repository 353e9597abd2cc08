"""What is never pruned, because somebody may want to go back to it."""

from __future__ import annotations

from sqlmodel import Session, col, select

from bot.models import Deployment, Environment, PullRequest, Release, Stage
from bot.store.environments import look
from bot.store.releases import earlier

KEPT = 5  # releases of an environment, and merged pull requests of a project


def kept(session: Session) -> set[str]:
    """Artifacts that are never pruned: what serves or is on its way, the last good ones of each environment, and
    what the last merged pull requests of each project showed."""
    digests = {row.artifact for row in session.exec(select(Release).where(Release.state == Stage.RELEASING))}
    for env in session.exec(select(Environment)).all():
        _env, current = look(session, env.project_id, env.name)
        rows = earlier(session, env.project_id, env.name, current)
        for verified in (True, False):
            of_kind = [row.artifact for row in rows if (row.state is Stage.VERIFIED) is verified]
            digests |= set(list(dict.fromkeys(of_kind))[:KEPT])
        digests |= {current.artifact} if current else set()
    return digests | _merged(session)


def _merged(session: Session) -> set[str]:
    query = (
        select(PullRequest.project_id, Deployment.artifact)
        .join(Deployment, col(PullRequest.displayed) == Deployment.id)
        .where(PullRequest.state == "merged", col(Deployment.artifact).is_not(None))
        .order_by(col(PullRequest.closed_at).desc())
    )
    found: dict[int, list[str]] = {}
    for project_id, artifact in session.exec(query):
        mine = found.setdefault(project_id, [])
        if artifact and artifact not in mine and len(mine) < KEPT:
            mine.append(artifact)
    return {artifact for mine in found.values() for artifact in mine}
