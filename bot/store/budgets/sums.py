"""What scopes have spent and put aside: kept as sums, provable from the ledger and the open reservations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from bot.budgets import Limit, Over, Period, Scope, Standing, period
from bot.models import LedgerEntry, PriceList, Purse, Reservation, Spend

_HAS = text("EXISTS (SELECT 1 FROM json_each(ledger_entry.scopes) WHERE json_each.value = :scope)")


def spent(session: Session, scope: str, when: Period, *, keep: bool = False) -> int:
    """What a scope has spent in a period.  `keep`: from now on as a sum of its own (only where writing is allowed)."""
    row = session.get(Spend, (scope, when.span, when.zone, when.start))
    if row is None:
        found = _from_ledger(session, scope, when)
        row = Spend(scope=scope, span=when.span, zone=when.zone, start=when.start, end=when.end, spent=found)
        if keep:
            session.add(row)
    return row.spent


def add(session: Session, scopes: Sequence[str], amount: int, at: float) -> None:
    """An amount was written into the ledger; the kept sums of the periods that `at` lies in grow by it."""
    kept = select(Spend).where(
        col(Spend.scope).in_(scopes), col(Spend.start) <= at, col(Spend.end).is_(None) | (col(Spend.end) > at)
    )
    for row in session.exec(kept):
        row.spent += amount
        session.add(row)


def put_aside(session: Session, scopes: Iterable[str], amount: int) -> None:
    """Put money aside for each scope, or free it again (a negative amount)."""
    for scope in scopes:
        row = session.get(Purse, scope) or Purse(scope=scope)
        row.held += amount
        session.add(row)
    session.flush()


def standings(
    session: Session, scopes: Sequence[Scope], limits: Sequence[Limit], now: float, *, keep: bool = False
) -> list[Standing]:
    """How each scope stands against each limit that speaks of it."""
    found = []
    for limit in limits:
        when = period(limit.period, limit.timezone, now)
        for scope in scopes:
            if limit.covers(scope):
                purse = session.get(Purse, str(scope))
                have = spent(session, str(scope), when, keep=keep)
                found.append(Standing(scope, limit, when, have, purse.held if purse else 0))
    return found


def refusal(
    session: Session, scopes: Sequence[Scope], estimate: int, limits: Sequence[Limit], now: float
) -> Over | None:
    """The first limit that an estimate would pass."""
    for standing in standings(session, scopes, limits, now, keep=True):
        if standing.used + estimate > standing.limit.limit_micro:
            return Over(standing, estimate)
    return None


def unproven(session: Session) -> list[str]:
    """What is kept and can't be proven: sums that the ledger or the open reservations do not give.  One line each."""
    works, periods, lists = Counter[str](), Counter[tuple[str, str, str, float]](), set[str]()
    kept = defaultdict[str, list[Spend]](list)
    for row in session.exec(select(Spend)):
        kept[row.scope].append(row)
    for entry in session.exec(select(LedgerEntry).execution_options(yield_per=1000)):
        works[entry.work] += entry.amount
        lists.add(entry.prices)
        periods.update({_named(row): entry.amount for row in _touched(kept, entry)})
    wrong = [
        f"{row.scope}, {row.span} from {row.start:.0f}: {row.spent}, the ledger {periods[_named(row)]}"
        for rows in kept.values()
        for row in rows
        if row.spent != periods[_named(row)]
    ]
    known = set(session.exec(select(PriceList.digest)))
    missing = [f"the price list {digest} is missing" for digest in sorted(lists - known)]
    return [*wrong, *_unproven_reservations(session, works), *missing]


def _unproven_reservations(session: Session, works: Counter[str]) -> list[str]:
    held, wrong = Counter[str](), []
    for row in session.exec(select(Reservation)):
        held.update(dict.fromkeys(row.scopes, row.held))
        if row.spent != works[row.work]:
            wrong.append(f"{row.work}: {row.spent}, the ledger {works[row.work]}")
    for purse in session.exec(select(Purse)):
        if purse.held != held[purse.scope]:
            wrong.append(f"{purse.scope}: {purse.held} put aside, the reservations {held[purse.scope]}")
    return wrong


def _touched(kept: Mapping[str, list[Spend]], entry: LedgerEntry) -> list[Spend]:
    """The kept sums that an entry counts in."""
    rows = (row for scope in entry.scopes for row in kept.get(scope, ()))
    return [row for row in rows if row.start <= entry.at and (row.end is None or entry.at < row.end)]


def _named(row: Spend) -> tuple[str, str, str, float]:
    return row.scope, row.span, row.zone, row.start


def _from_ledger(session: Session, scope: str, when: Period) -> int:
    query = select(func.coalesce(func.sum(col(LedgerEntry.amount)), 0)).where(col(LedgerEntry.at) >= when.start)
    if when.end is not None:
        query = query.where(col(LedgerEntry.at) < when.end)
    kind, _, key = scope.partition(":")
    if kind in ("pull", "project"):  # the index knows
        query = query.where(LedgerEntry.project_id == int(key.partition("#")[0]))
    return int(session.exec(query.where(_HAS.bindparams(scope=scope))).one())
