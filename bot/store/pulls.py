"""Row functions about pull requests: what GitHub last said of them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session

from bot.errands import look
from bot.models import Project, PullRequest
from bot.store import deliveries, gates, projects, scans


def note_pull(session: Session, project: Project, pull: PullRequest, now: float) -> tuple[Project, PullRequest]:
    """Keep what GitHub says of a pull request, unless we know something newer; what we hold is returned."""
    kept = projects.note_project(session, project, now)
    row = session.get(PullRequest, (pull.project_id, pull.number))
    if row is None:
        pull.opened_at = now
        pull.changes = 1
        session.add(pull)
        return kept, pull
    row.pusher_id = pull.pusher_id or row.pusher_id
    if not pull.updated_at or pull.updated_at >= row.updated_at:
        _take_over(session, row, pull, now)
    session.add(row)
    return kept, row


def _take_over(session: Session, row: PullRequest, pull: PullRequest, now: float) -> None:
    if pull.updated_at == row.updated_at and _differ(row, pull, _SHOWN):
        _look_again(session, pull, now)
    if _differ(row, pull, _JUDGED):
        _end_verdict(session, row, pull, now)
    if pull.state == "open" and row.state != "open":
        row.opened_at = now
    if _differ(row, pull, ("base_ref",)) and pull.head_sha == row.head_sha:
        scans.ask_known(session, row.project_id, row.number, row.head_sha, f"{pull.base_ref}:{pull.updated_at}", now)
    for field in _FROM_GITHUB:
        if _differ(row, pull, (field,)):
            setattr(row, field, getattr(pull, field))
            row.changes += field in _SHOWN
    if row.state == "open":
        row.closed_at, row.receipt = None, None


def _end_verdict(session: Session, row: PullRequest, pull: PullRequest, now: float) -> None:
    """What was decided about the old head holds no more, unless it was merged."""
    told = f"{pull.number}:{pull.head_sha}:{pull.state}:{pull.updated_at}"
    gone = row.state == "open" and pull.state != "merged" and _differ(row, pull, _SHOWN)
    ask = gates.left if gone else gates.ask_known
    ask(session, row.project_id, row.head_sha, told, now)


def _differ(row: PullRequest, pull: PullRequest, fields: Iterable[str]) -> bool:
    return any(getattr(row, field) != getattr(pull, field) for field in fields)


_FROM_GITHUB = (
    *("title", "state", "draft", "fork", "head_sha", "head_ref", "base_ref"),
    *("author_id", "author", "author_is_bot", "updated_at"),
)
_SHOWN = ("state", "head_sha")
_JUDGED = ("state", "head_sha", "draft", "base_ref")  # what the verdict at a head turns on


def _look_again(session: Session, pull: PullRequest, now: float) -> None:
    """Two states within one second of GitHub's clock: only GitHub can say which is the later one."""
    reason = f"{pull.head_sha}:{pull.state}:{pull.updated_at}"
    one = look(pull.project_id, pull.number, reason, pull.updated_at)
    deliveries.send(session, one, now, run_at=now + deliveries.LAG)
