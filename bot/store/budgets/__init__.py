"""Row functions about money: it is put aside before it is spent, for all scopes at once or for none.

    reserve -> extend, meter, book -> settle          reap, when nobody settles

All take a session and run inside one write: the single writer is what makes an admission atomic.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot.budgets import Limit, Over, Prices, Scope, Usage
from bot.models import Reservation
from bot.store.budgets import ledger
from bot.store.budgets.sums import put_aside, refusal, standings

__all__ = ["book", "estimate", "extend", "meter", "open_works", "reap", "reserve", "settle", "standings", "widen"]

LAST = 20  # pieces of work that an estimate looks back at
SHORTEST = 300.0  # seconds that something must have run for to say what an hour costs
HOUR = 3600.0


def reserve(
    session: Session,
    work: str,
    scopes: Sequence[Scope],
    estimate: int,
    limits: Sequence[Limit],
    now: float,
    seconds: float,
) -> Reservation | Over:
    """Put `estimate` aside in every scope, for so many seconds; or nowhere, when it passes a limit of one of them.

    `work` is "build:<deployment>" or "run:<deployment>:<n>"; asked again for the same, nothing more is put aside.
    Work whose time had run out, and that is begun again, is admitted anew."""
    row = session.get(Reservation, work)
    if row is not None and row.state != "reaped":
        return row
    over = refusal(session, scopes, estimate, limits, now)
    if over is not None:
        return over
    kind, deployment = work.split(":")[:2]
    if row is None:
        row = Reservation(
            work=work, kind=kind, deployment=deployment, made_at=now, booked_at=now, expires_at=now + seconds
        )
    row.project_id = next((int(one.key) for one in scopes if one.kind == "project"), 0)
    row.scopes = [str(scope) for scope in scopes]
    row.state, row.estimate, row.held = "open", estimate, estimate
    row.expires_at, row.ended_at = now + seconds, None
    session.add(row)
    put_aside(session, row.scopes, estimate)
    return row


def widen(session: Session, work: str, scopes: Sequence[Scope], limits: Sequence[Limit], now: float) -> Over | None:
    """Charge open work to more scopes than were known when it began: the agent that turned out to be behind it.

    Over a limit of one of these, nothing changes."""
    row = session.get(Reservation, work)
    if row is None or row.state != "open":
        return None
    more = [scope for scope in scopes if str(scope) not in row.scopes]
    over = refusal(session, more, row.held, limits, now)
    if over is None and more:
        put_aside(session, map(str, more), row.held)
        row.scopes = [*row.scopes, *map(str, more)]
        session.add(row)
    return over


def extend(session: Session, work: str, now: float, seconds: float) -> bool:
    """It goes on: not to be reaped before.  False: it is not open."""
    row = session.get(Reservation, work)
    if row is None or row.state != "open":
        return False
    row.expires_at = max(row.expires_at, now + seconds)
    session.add(row)
    return True


def meter(session: Session, work: str, usage: Usage) -> bool:
    """It has used that much more.  Not in the ledger before `book` or `settle`.  False: it is not open."""
    row = session.get(Reservation, work)
    if row is None or row.state != "open":
        return False
    row.metered = (Usage.from_json(row.metered) + usage).as_json()
    session.add(row)
    return True


def book(session: Session, work: str, prices: Prices, now: float) -> int:
    """Write into the ledger what it has used since the last time, and take that off what is put aside.

    Returns the amount, nothing for what is not open."""
    row = session.get(Reservation, work)
    return _book(session, row, prices, now) if row is not None and row.state == "open" else 0


def settle(session: Session, work: str, prices: Prices, now: float, usage: Usage | None = None) -> int:
    """It has ended: book what is not booked yet and free the rest.  Returns what was booked; a second call, nothing.

    `usage`: all that it used, where the caller knows better than the meter.  What had been reaped meanwhile is booked
    all the same."""
    row = session.get(Reservation, work)
    return _end(session, row, prices, now, "settled", usage) if row is not None and row.state != "settled" else 0


def reap(session: Session, prices: Prices, now: float) -> list[str]:
    """End what nobody has settled or extended in time: book what was metered, free the rest.  Returns the works."""
    late = select(Reservation).where(text("state = 'open'"), col(Reservation.expires_at) <= now)
    rows = session.exec(late).all()
    for row in rows:
        _end(session, row, prices, now, "reaped", None)
    return [row.work for row in rows]


def open_works(session: Session, kind: str) -> list[Reservation]:
    """What is under way, of a kind."""
    return list(session.exec(select(Reservation).where(text("state = 'open'"), Reservation.kind == kind)))


def estimate(session: Session, project_id: int, kind: str, default: int) -> int:
    """What a build, or an hour of running, may cost: the median of this project's last `LAST` that cost anything.

    `default`: for a project without a history."""
    query = select(Reservation).where(
        Reservation.project_id == project_id,
        Reservation.kind == kind,
        Reservation.state == "settled",
        col(Reservation.spent) > 0,
    )
    if kind == "run":
        query = query.where(col(Reservation.ended_at) - col(Reservation.made_at) >= SHORTEST)
    rows = session.exec(query.order_by(col(Reservation.ended_at).desc()).limit(LAST)).all()
    costs = [row.spent if kind == "build" else _hourly(row) for row in rows]
    return statistics.median_high(costs) if costs else default


def _hourly(row: Reservation) -> int:
    return round(row.spent * HOUR / ((row.ended_at or row.made_at) - row.made_at))


def _book(session: Session, row: Reservation, prices: Prices, now: float) -> int:
    before, after = Usage.from_json(row.booked), Usage.from_json(row.metered)
    if before == after:
        return 0
    amount = prices.difference(before, after)
    row.booked, row.booked_at = row.metered, now
    ledger.write(session, row, after.minus(before), amount, prices, now)
    _free(session, row, min(row.held, amount))
    return amount


def _end(session: Session, row: Reservation, prices: Prices, now: float, state: str, usage: Usage | None) -> int:
    if usage is not None:
        row.metered = Usage.from_json(row.metered).largest(usage).as_json()
    amount = _book(session, row, prices, now)
    _free(session, row, row.held)
    row.state, row.ended_at = state, now
    session.add(row)
    return amount


def _free(session: Session, row: Reservation, amount: int) -> None:
    if amount:
        row.held -= amount
        session.add(row)
        put_aside(session, row.scopes, -amount)
