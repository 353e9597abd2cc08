"""Row functions about the books.  `append` belongs in the transaction of the effect that it tells of.

The single writer gives the lines their order; triggers refuse to change or remove one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot.audit import FIRST, Actor, Entry, Line, canonical, link
from bot.models import AuditEntry, Delivery, Deployment
from bot.store.engine import GUARDS

_AT_ONCE = 1000  # rows in memory while the chain is read
_LAST = text("SELECT seq, digest FROM audit_entry ORDER BY seq DESC LIMIT 1")
_APPEND = text("INSERT INTO audit_entry (seq, prev, payload, digest) VALUES (:seq, :prev, :payload, :digest)")


def append(session: Session, entry: Entry) -> AuditEntry:
    """Write the next line.  Committed or undone with everything else of the caller's transaction."""
    last = session.execute(_LAST).first()
    seq, prev = (last.seq + 1, last.digest) if last else (1, FIRST)
    payload = canonical(entry)
    line = Line(seq, prev, payload, link(seq, prev, payload))
    session.execute(_APPEND, line._asdict())
    return AuditEntry(**line._asdict())


def of_preview(
    session: Session,
    what: str,
    row: Deployment,
    now: float,
    *,
    guid: str | None = None,
    before: Mapping[str, Any] | None = None,
    **after: Any,
) -> AuditEntry:
    """Write what became of a preview.  `guid` is the delivery that did it, and its sender the actor; None: the clock.

    Of a failure only where and which kind is kept: what a build said belongs in its log."""
    failure = row.failure or {}
    said = {"deployment": row.id, "state": row.state.value, **after}
    said |= {name: failure[name] for name in ("step", "reason_code") if failure.get(name)}
    shas = {"head": row.sha} | ({"tree": row.tree} if row.tree else {})
    entry = Entry(
        what,
        now,
        project_id=row.project_id,
        number=row.number,
        environment=row.environment,
        actor=sender(session, guid) if guid is not None else None,
        delivery=guid,
        shas=shas,
        artifact=row.artifact,
        before=before or {},
        after=said,
    )
    return append(session, entry)


def head(session: Session) -> AuditEntry | None:
    """The newest line."""
    return session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).first()


def lines(session: Session) -> Iterator[Line]:
    """All lines, the oldest first, as they stand in the table; a part of them in memory at a time."""
    query = text("SELECT seq, prev, payload, digest FROM audit_entry ORDER BY seq").execution_options(
        yield_per=_AT_ONCE
    )
    for row in session.execute(query):
        yield Line(*row)


def unguarded(session: Session) -> list[str]:
    """Triggers that should keep the books and are not there."""
    there = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
    return sorted(GUARDS.keys() - set(there))


def pushers(session: Session, project_id: int, number: int, sha: str) -> set[int]:
    """Accounts whose pushes brought this commit to a pull request, as far as their deliveries are kept."""
    query = select(Deployment.delivery).where(
        Deployment.project_id == project_id, Deployment.number == number, Deployment.sha == sha
    )
    senders = (sender(session, guid) for guid in session.exec(query).all() if _pushed(session, guid))
    return {who.id for who in senders if who is not None}


def _pushed(session: Session, guid: str) -> bool:
    return session.exec(select(Delivery.action).where(Delivery.guid == guid)).first() == "synchronize"


def sender(session: Session, guid: str) -> Actor | None:
    """Who a delivery says caused it, while its body is kept.  Our own deliveries name nobody."""
    delivery = session.exec(select(Delivery).where(Delivery.guid == guid)).first()
    if delivery is None or delivery.source != "github" or not delivery.body:
        return None
    try:
        said = json.loads(zlib.decompress(delivery.body))["sender"]
        if type(said["id"]) is not int:
            return None
        return Actor(said["id"], str(said["login"]), "bot" if said["type"] == "Bot" else "person", "delivery")
    except (zlib.error, ValueError, KeyError, TypeError):
        return None
