"""The ledger: amounts are added and never changed.  A wrong one is corrected by another entry."""

from __future__ import annotations

import dataclasses

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot.audit import Entry
from bot.budgets import Prices, Usage
from bot.errors import SlipwayError
from bot.models import LedgerEntry, PriceList, Reservation
from bot.store import audit
from bot.store.budgets.sums import add

_LAST = text("SELECT coalesce(max(seq), 0) FROM ledger_entry")


def write(session: Session, row: Reservation, usage: Usage, amount: int, prices: Prices, now: float) -> None:
    """Book what a piece of work used since its last entry."""
    if session.get(PriceList, prices.digest) is None:
        session.add(PriceList(digest=prices.digest, prices=prices.as_json(), since=now))
    entry = LedgerEntry(
        seq=_next(session),
        work=row.work,
        project_id=row.project_id,
        scopes=row.scopes,
        usage=usage.as_json(),
        prices=prices.digest,
        amount=amount,
        at=now,
        written_at=now,
    )
    _append(session, entry, row)


def correct(session: Session, seq: int, amount: int, entry: Entry) -> LedgerEntry:
    """Add `amount` (less than nothing: a refund) to what an entry says, in the period that it counts in.

    `entry` is the line of the books: its time is when, its `after` says why.  Raises SlipwayError when there is no
    such entry."""
    wrong = session.get(LedgerEntry, seq)
    if wrong is None:
        raise SlipwayError(f"The ledger has no entry {seq}.")
    made = LedgerEntry(
        seq=_next(session),
        work=wrong.work,
        project_id=wrong.project_id,
        scopes=wrong.scopes,
        usage={},
        prices=wrong.prices,
        amount=amount,
        corrects=seq,
        reason=str(entry.after.get("reason") or ""),
        at=wrong.at,
        written_at=entry.at,
    )
    _append(session, made, session.get(Reservation, wrong.work))
    told = {"amount": amount, "entry": wrong.amount}
    audit.append(session, dataclasses.replace(entry, project_id=wrong.project_id, money=told))
    return made


def entries(session: Session, work: str) -> list[LedgerEntry]:
    """All that was booked for a piece of work, oldest first."""
    query = select(LedgerEntry).where(LedgerEntry.work == work)
    return list(session.exec(query.order_by(col(LedgerEntry.seq))))


def _append(session: Session, entry: LedgerEntry, row: Reservation | None) -> None:
    session.add(entry)
    add(session, entry.scopes, entry.amount, entry.at)
    if row is not None:
        row.spent += entry.amount
        session.add(row)
    session.flush()


def _next(session: Session) -> int:
    return int(session.execute(_LAST).scalar_one()) + 1
