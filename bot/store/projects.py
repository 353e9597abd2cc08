"""Row functions about installations, projects and which pull requests they have."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sqlmodel import Session, col, select

from bot.audit import Entry
from bot.models import Installation, Project, PullRequest
from bot.store import audit


def note_project(session: Session, project: Project, now: float) -> Project:
    """Keep what GitHub says of a repository; its number stays, its name may change."""
    row = session.get(Project, project.id) or project
    for field in ("installation_id", "owner", "name", "default_branch", "private", "state"):
        setattr(row, field, getattr(project, field))
    row.updated_at = now
    session.add(row)
    return row


def project(session: Session, project_id: int) -> Project | None:
    return session.get(Project, project_id)


def note_installation(session: Session, installation: Installation, now: float) -> None:
    installation.updated_at = now
    session.merge(installation)


def leave(session: Session, installation_id: int, only: Sequence[int] | None, now: float, guid: str) -> list[int]:
    """Projects that an installation gave up: `only` these, or all.  Returns their ids."""
    query = select(Project).where(Project.installation_id == installation_id, Project.state != "gone")
    rows = session.exec(query if only is None else query.where(col(Project.id).in_(only))).all()
    for row in rows:
        before, row.state = row.state, "gone"
        session.add(row)
        entry = Entry("project.left", now, project_id=row.id, actor=audit.sender(session, guid), delivery=guid)
        audit.append(session, dataclasses.replace(entry, before={"state": before}, after={"state": "gone"}))
    return [row.id for row in rows]


def pulls_of_branch(session: Session, project_id: int, branch: str) -> list[int]:
    query = select(PullRequest.number).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    return list(session.exec(query.where(PullRequest.head_ref == branch)))


def pulls_of_head(session: Session, project_id: int, sha: str) -> list[int]:
    query = select(PullRequest.number).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    return list(session.exec(query.where(PullRequest.head_sha == sha)))
