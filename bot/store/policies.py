"""Row functions about policies: the texts of the layers, and what pull requests would make of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, Literal, cast

from sqlmodel import Session, col, select

from bot import errands
from bot.audit import Entry
from bot.models import PolicyChange, PolicyText, Project, PullRequest
from bot.policy import Unknown
from bot.policy.facts import PolicyChange as Change
from bot.store import audit, deliveries, gates

Way = Literal["tighter", "looser", "other", "invalid", "none"]


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """A layer's file as GitHub showed it.  No `text`: there is none.  `fault`: why it is no policy."""

    text: bytes | None = None
    sha: str | None = None
    fault: str | None = None

    def same(self, row: PolicyText | None) -> bool:
        """Whether it says what is kept."""
        return (self.text, self.fault) == ((row.text, row.fault) if row is not None else (None, None))


def text_of(session: Session, layer: str) -> PolicyText | None:
    return session.get(PolicyText, layer)


def note_text(
    session: Session, layer: str, reading: Reading, projects: Sequence[int], now: float, guid: str | None = None
) -> bool:
    """Keep what a layer says now; True: that is something else than before.

    Then it is in the books, and every verdict on the `projects` that it speaks for is made again.  `guid`: the
    delivery that told of it."""
    row = session.get(PolicyText, layer)
    if reading.same(row):
        return False
    row = row or PolicyText(layer=layer, read_at=now)
    before = _told(row)
    row.text, row.sha, row.fault, row.read_at = reading.text, reading.sha, reading.fault, now
    if reading.fault is None:
        row.valid_text, row.valid_sha = reading.text, reading.sha
    session.add(row)
    entry = Entry(
        "policy.changed",
        now,
        project_id=projects[0] if layer.startswith("project:") else None,
        actor=audit.sender(session, guid) if guid is not None else None,
        delivery=guid,
        before=before,
        after={"layer": layer, **_told(row)},
    )
    audit.append(session, entry)
    for project_id in projects:
        _judge_again(session, project_id, f"policy:{layer}:{round(now * 1_000_000)}", now)
    return True


def _told(row: PolicyText) -> dict[str, Any]:
    """For the books: what was there, and what is not in force because it can't be used."""
    said = {"digest": _digest(row.valid_text), "refused": _digest(row.text) if row.fault else None, "fault": row.fault}
    return {key: value for key, value in said.items() if value is not None}


def _digest(text: bytes | None) -> str | None:
    return hashlib.sha256(text).hexdigest() if text is not None else None


def _judge_again(session: Session, project_id: int, reason: str, now: float) -> None:
    gates.ask_open(session, project_id, reason, now)
    query = select(PullRequest.number).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    for number in session.exec(query.order_by(col(PullRequest.number))):
        deliveries.send(session, errands.policy(project_id, number, reason), now)


def served(session: Session, installation_id: int) -> list[int]:
    """The projects that an organization's policy speaks for."""
    query = select(Project.id).where(Project.installation_id == installation_id, Project.state == "active")
    return list(session.exec(query.order_by(col(Project.id))))


# ---- what pull requests would make of it


def of_head(session: Session, project_id: int, number: int, sha: str) -> Way | None:
    """What this head would make of the policy; None: nobody has looked yet."""
    row = session.get(PolicyChange, (project_id, number))
    return cast(Way, row.way) if row is not None and row.sha == sha else None


def change_of(session: Session, project_id: int, number: int, sha: str) -> Change | Unknown | None:
    """The same for the rules."""
    way = of_head(session, project_id, number, sha)
    if way is None:
        return Unknown("it is being compared")
    return None if way == "none" else way


def note_change(session: Session, project_id: int, number: int, sha: str, way: Way, now: float) -> PolicyChange:
    """Keep the verdict on a head.  A new one asks for the gate's."""
    row = session.get(PolicyChange, (project_id, number)) or PolicyChange(
        project_id=project_id, number=number, sha="", way="none", at=now
    )
    if (row.sha, row.way) != (sha, way):
        gates.ask(session, project_id, sha, f"policy:{number}:{round(now * 1_000_000)}", now)
    if row.sha != sha:
        row.told, row.run = None, 0
    row.sha, row.way, row.at = sha, way, now
    session.add(row)
    return row


def note_told(session: Session, project_id: int, number: int, sha: str, digest: str) -> None:
    """GitHub shows the check with this digest at that head."""
    row = session.get_one(PolicyChange, (project_id, number))
    if row.sha == sha:
        row.told, row.run = digest, row.run + 1
        session.add(row)
