"""Put aside, extend, meter, book, settle, correct, wait, reap, in every order: what is kept can be proven, and
nothing is let in over a limit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlmodel import Session, func, select

from bot.audit import Entry
from bot.budgets import Limit, Over, Prices, Scope, Usage
from bot.models import LedgerEntry, Purse, Reservation
from bot.store import budgets, engine
from bot.store.budgets import ledger, sums
from tests.books import lay

pytestmark = pytest.mark.slow
PRICES = (Prices(build_second=Decimal("0.00001")), Prices(build_second=Decimal("0.000017")))
LIMITS = (
    Limit("pr:*", "lifetime", 900),
    Limit("agent:*", "day", 1000, timezone="Europe/Berlin"),
    Limit("project", "week", 1500, timezone="America/New_York"),
    Limit("organization", "month", 2500),
)
WORKS = st.integers(0, 7).map("build:d{}".format)


def scopes(pull: int, agent: int | None) -> tuple[Scope, ...]:
    more = (Scope("agent", str(agent)),) if agent else ()
    project = 1 + pull % 2
    return (Scope("pull", f"{project}#{pull}"), *more, Scope("project", str(project)), Scope("organization", "5"))


class Budgets(RuleBasedStateMachine):
    """The real row functions.  What work uses never passes what was put aside for it, so that the limits hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = lay(Path(self.folder.name) / "slipway.db")
        self.database = engine.writing(url)
        with self.database.connect() as connection:
            connection.connection.execute("PRAGMA synchronous = OFF")
        self.now, self.prices = 1_774_000_000.0, PRICES[0]  # a week before Berlin's clocks go forward
        self.settled: dict[str, int] = {}

    def teardown(self) -> None:
        self.database.dispose()
        self.folder.cleanup()

    @contextmanager
    def write(self) -> Iterator[Session]:
        with Session(self.database, expire_on_commit=False) as session, session.begin():
            yield session

    @rule(seconds=st.sampled_from([1.0, 50.0, 3600.0, 11 * 3600.0, 5 * 86_400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(which=st.integers(0, 1))
    def prices_change(self, which: int) -> None:
        self.prices = PRICES[which]

    @rule(work=WORKS, pull=st.integers(1, 3), agent=st.sampled_from([None, 42]), estimate=st.integers(0, 700))
    def begin(self, work: str, pull: int, agent: int | None, estimate: int) -> None:
        with self.write() as session:
            before, who = session.get(Reservation, work), scopes(pull, agent)
            again = before is not None and before.state != "reaped"
            held = {row.scope: row.held for row in session.exec(select(Purse))}
            made = budgets.reserve(session, work, who, estimate, LIMITS, self.now, 100.0)
            now = {row.scope: row.held for row in session.exec(select(Purse))}
            if again:
                assert made is before
            elif isinstance(made, Over):
                assert now == held
                assert made.actual > made.standing.limit.limit_micro
            else:
                assert all(now[str(one)] == held.get(str(one), 0) + estimate for one in who)
                for standing in sums.standings(session, who, LIMITS, self.now):
                    assert standing.used <= standing.limit.limit_micro

    @rule(work=WORKS, pull=st.integers(1, 3))
    def found_out(self, work: str, pull: int) -> None:
        with self.write() as session:
            budgets.widen(session, work, scopes(pull, 42)[1:2], LIMITS, self.now)

    @rule(work=WORKS)
    def beats(self, work: str) -> None:
        with self.write() as session:
            row = session.get(Reservation, work)
            assert budgets.extend(session, work, self.now, 100.0) == (row is not None and row.state == "open")

    @rule(work=WORKS, share=st.floats(0, 1))
    def uses(self, work: str, share: float) -> None:
        with self.write() as session:
            row = session.get(Reservation, work)
            if row is None or row.state != "open":
                return
            most = (row.held - 2) * 1_000_000 / (float(PRICES[1].build_second) * 1e9)
            waiting = row.metered.get("build_ms", 0) - row.booked.get("build_ms", 0)
            budgets.meter(session, work, Usage(build_ms=max(0, int((most - waiting) * share))))

    @rule(work=WORKS)
    def books(self, work: str) -> None:
        with self.write() as session:
            budgets.book(session, work, self.prices, self.now)

    @rule(work=WORKS)
    def settles(self, work: str) -> None:
        with self.write() as session:
            row = session.get(Reservation, work)
            budgets.settle(session, work, self.prices, self.now)
            if row is not None:
                assert self.settled.setdefault(work, row.spent) == row.spent
                assert budgets.settle(session, work, self.prices, self.now) == 0

    @rule()
    def reaps(self) -> None:
        with self.write() as session:
            for work in budgets.reap(session, self.prices, self.now):
                assert session.get_one(Reservation, work).expires_at <= self.now

    @rule(seq=st.integers(1, 20), amount=st.integers(-50, 0))
    def corrects(self, seq: int, amount: int) -> None:
        with self.write() as session:
            wrong = session.get(LedgerEntry, seq)
            if wrong is None:
                return
            ledger.correct(session, seq, amount, Entry("budget.corrected", self.now))
            if wrong.work in self.settled:
                self.settled[wrong.work] += amount

    @invariant()
    def the_sums_are_what_the_ledger_says(self) -> None:
        with Session(self.database) as session:
            assert sums.unproven(session) == []

    @invariant()
    def nothing_is_put_aside_for_what_has_ended(self) -> None:
        with Session(self.database) as session:
            rows = session.exec(select(Reservation)).all()
            assert all(row.held == 0 for row in rows if row.state != "open")
            assert all(row.held >= 0 for row in rows)
            assert all(row.metered == row.booked for row in rows if row.state != "open")

    @invariant()
    def no_scope_is_over_its_limit(self) -> None:
        with Session(self.database) as session:
            every = {str(one): one for pull in (1, 2, 3) for one in scopes(pull, 42)}
            for standing in sums.standings(session, list(every.values()), LIMITS, self.now):
                assert standing.used <= standing.limit.limit_micro

    @invariant()
    def the_ledger_has_no_gap(self) -> None:
        with Session(self.database) as session:
            count, last = session.exec(select(func.count(), func.coalesce(func.max(LedgerEntry.seq), 0))).one()
            assert count == last


Budgets.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestBudgets = Budgets.TestCase
