"""Row functions about the books.  `append` belongs in the transaction of the effect that it tells of.

The single writer gives the lines their order; triggers refuse to change or remove one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot.audit import FIRST, Actor, Entry, canonical, link
from bot.models import AuditEntry, Delivery

_AT_ONCE = 1000  # rows in memory while the chain is read


def append(session: Session, entry: Entry) -> AuditEntry:
    """Write the next line.  Committed or undone with everything else of the caller's transaction."""
    last = head(session)
    seq, prev = (last.seq + 1, last.digest) if last else (1, FIRST)
    payload = canonical(entry)
    row = AuditEntry(seq=seq, prev=prev, payload=payload, digest=link(seq, prev, payload))
    session.add(row)
    session.flush()
    return row


def head(session: Session) -> AuditEntry | None:
    """The newest line."""
    return session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).first()


def lines(session: Session) -> Iterator[AuditEntry]:
    """All lines, the oldest first, as they stand in the table; detached ones, so that memory stays small."""
    query = text("SELECT seq, prev, payload, digest FROM audit_entry ORDER BY seq").execution_options(
        yield_per=_AT_ONCE
    )
    for seq, prev, payload, digest in session.execute(query):
        yield AuditEntry(seq=seq, prev=prev, payload=payload, digest=digest)


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
