"""Row functions about what people said by command: approvals, acknowledgements, rules that they lifted."""

from __future__ import annotations

import dataclasses

from sqlmodel import Session, col, select

from bot.audit import Entry
from bot.models import Leave
from bot.policy import Review, Unknown
from bot.store import audit, gates


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """What stands at one commit of a pull request, now."""

    approvals: tuple[Review, ...] = ()  # what those people may do is not asked yet
    acks: frozenset[str] = frozenset()
    lifted: frozenset[str] = frozenset()
    confirmed: frozenset[int] = frozenset()  # accounts that were told to confirm


def give(session: Session, leave: Leave, entry: Entry, now: float) -> None:
    """Somebody's word, in the books; the verdict at the commit may turn on it.  Said twice is said once."""
    session.add(leave)
    session.flush()
    audit.append(session, entry)
    gates.ask(session, leave.project_id, leave.sha, f"leave:{leave.id}", now)


def confirmation(environment: str, deployment: str) -> str:
    """What somebody was told to confirm: this very deployment, there."""
    return f"{environment} {deployment}"


def said(
    session: Session, project_id: int, number: int, sha: str, environment: str, now: float, deployment: str = ""
) -> Said:
    """Everything that holds for this commit there.  An approval by command is for one environment."""
    query = select(Leave).where(Leave.project_id == project_id, Leave.number == number, Leave.sha == sha)
    rows = [row for row in session.exec(query.order_by(col(Leave.id))) if row.until is None or row.until > now]
    unasked, told = Unknown("it was not asked"), confirmation(environment, deployment)
    approvals = {
        row.by_id: Review(row.by_id, row.by_login, True, "APPROVED", sha, unasked, how="comment")
        for row in rows
        if (row.kind, row.what) == ("approve", environment)
    }
    return Said(
        tuple(approvals.values()),
        frozenset(row.what for row in rows if row.kind == "ack"),
        frozenset(row.what for row in rows if row.kind == "override"),
        frozenset(row.by_id for row in rows if (row.kind, row.what) == ("confirm", told)),
    )


def used(session: Session, project_id: int, environment: str, deployment: str, by: int, now: float) -> None:
    """A confirmation is good once."""
    query = select(Leave).where(Leave.project_id == project_id, Leave.kind == "confirm", Leave.by_id == by)
    for row in session.exec(query.where(Leave.what == confirmation(environment, deployment))):
        row.until = now
        session.add(row)
