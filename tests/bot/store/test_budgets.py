"""Money is put aside before it is spent, in every scope or in none; what is kept can be proven."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select, text

from bot.audit import Entry
from bot.budgets import GIB, Limit, Over, Prices, Scope, Usage, period
from bot.errors import SlipwayError
from bot.models import AuditEntry, LedgerEntry, PriceList, Purse, Reservation, Spend
from bot.store import Store, audit, budgets, engine
from bot.store.budgets import ledger, meters, sums
from runners.base import Reading

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
HOUR, DAY = 3600.0, 86_400.0
PRICES = Prices(
    cpu_second=Decimal("0.00001"),
    gib_second=Decimal("0.000005"),
    build_second=Decimal("0.00002"),
    gib_day=Decimal("0.01"),
    gib_out=Decimal("0.10"),
)
PULL, AGENT = Scope("pull", "1#7", "#7"), Scope("agent", "42", "Robo", frozenset({"robo", "robo[bot]"}))
PROJECT, TEAM = Scope("project", "1", "acme/shop"), Scope("team", "5/web", "web")
EVERY = (PULL, AGENT, PROJECT, TEAM, Scope("organization", "5", "acme"))


def build(seconds: float) -> Usage:
    return Usage(build_ms=round(seconds * 1000))


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    database = engine.writing(url)
    with Session(database) as session:
        yield session
    database.dispose()


def purses(session: Session) -> dict[str, int]:
    return {row.scope: row.held for row in session.exec(select(Purse))}


def spent(session: Session, scope: Scope, span: str = "lifetime", at: float = NOW) -> int:
    return sums.spent(session, str(scope), period(span, "UTC", at))  # type: ignore[arg-type]


def test_what_is_put_aside_counts_in_every_scope(session: Session) -> None:
    made = budgets.reserve(session, "build:d1", EVERY, 500, [], NOW, 60)

    assert isinstance(made, Reservation)
    assert purses(session) == {str(scope): 500 for scope in EVERY}
    assert sums.unproven(session) == []


def test_over_one_limit_nothing_is_put_aside_anywhere(session: Session) -> None:
    limits = [Limit("organization", "month", 10_000), Limit("agent:*", "day", 900)]
    budgets.reserve(session, "build:d1", EVERY, 500, limits, NOW, 60)

    over = budgets.reserve(session, "build:d2", EVERY, 500, limits, NOW, 60)

    assert isinstance(over, Over)
    assert (over.standing.scope, over.standing.used, over.actual, over.standing.left) == (AGENT, 500, 1000, 400)
    assert purses(session) == {str(scope): 500 for scope in EVERY}
    assert session.get(Reservation, "build:d2") is None


def test_a_limit_is_reached_exactly_and_not_passed(session: Session) -> None:
    limits = [Limit("pr:*", "lifetime", 1000)]

    assert isinstance(budgets.reserve(session, "build:d1", EVERY, 1000, limits, NOW, 60), Reservation)
    assert isinstance(budgets.reserve(session, "build:d2", EVERY, 1, limits, NOW, 60), Over)


def test_a_delivery_tried_again_puts_aside_once(session: Session) -> None:
    for _ in range(3):
        budgets.reserve(session, "build:d1", EVERY, 500, [], NOW, 60)

    assert purses(session)["project:1"] == 500


@pytest.mark.parametrize(
    ("said", "scope", "covered"),
    [
        ("agent:*", AGENT, True),
        ("agent:robo", AGENT, True),
        ("agent:Robo[bot]", AGENT, True),
        ("agent:42", AGENT, True),
        ("agent:43", AGENT, False),
        ("agent:*", PROJECT, False),
        ("pr:*", PULL, True),
        ("project", PROJECT, True),
        ("team:web", TEAM, True),
        ("team:Web", TEAM, True),
        ("team:we", TEAM, False),
        ("organization", EVERY[4], True),
    ],
)
def test_a_limit_speaks_of(said: str, scope: Scope, covered: bool) -> None:
    assert Limit(said, "day", 1).covers(scope) is covered


def test_settling_books_the_use_and_frees_the_rest(session: Session) -> None:
    budgets.reserve(session, "build:d1", EVERY, 5000, [], NOW, 60)

    amount = budgets.settle(session, "build:d1", PRICES, NOW + 30, build(30))

    assert amount == 600  # 30 s at 20 millionths
    assert set(purses(session).values()) == {0}
    assert [spent(session, scope) for scope in EVERY] == [600] * 5
    (entry,) = ledger.entries(session, "build:d1")
    assert (entry.usage, entry.amount, entry.prices) == ({"build_ms": 30_000}, 600, PRICES.digest)
    assert session.get_one(PriceList, PRICES.digest).prices["build_second"] == "0.00002"
    assert sums.unproven(session) == []


def test_settling_twice_books_once(session: Session) -> None:
    budgets.reserve(session, "build:d1", EVERY, 5000, [], NOW, 60)

    assert [budgets.settle(session, "build:d1", PRICES, NOW, build(30)) for _ in range(3)] == [600, 0, 0]
    assert spent(session, PROJECT) == 600
    assert isinstance(budgets.reserve(session, "build:d1", EVERY, 5000, [], NOW, 60), Reservation)
    assert purses(session)["project:1"] == 0


def test_work_that_nobody_settles_is_reaped_with_what_was_metered(session: Session) -> None:
    """A crash between putting aside and settling."""
    budgets.reserve(session, "build:d1", EVERY, 5000, [], NOW, 60)
    budgets.meter(session, "build:d1", build(10))

    assert budgets.reap(session, PRICES, NOW + 59) == []
    assert budgets.reap(session, PRICES, NOW + 60) == ["build:d1"]

    assert set(purses(session).values()) == {0}
    assert spent(session, PROJECT) == 200
    assert sums.unproven(session) == []


def test_settled_after_it_was_reaped_the_rest_is_booked(session: Session) -> None:
    budgets.reserve(session, "build:d1", EVERY, 5000, [], NOW, 60)
    budgets.meter(session, "build:d1", build(10))
    budgets.reap(session, PRICES, NOW + 60)

    assert budgets.settle(session, "build:d1", PRICES, NOW + 61, build(30)) == 400
    assert budgets.settle(session, "build:d1", PRICES, NOW + 62, build(30)) == 0
    assert spent(session, PROJECT) == 600


def test_reaped_work_that_is_begun_again_is_admitted_again(session: Session) -> None:
    limits = [Limit("project", "day", 1000)]
    budgets.reserve(session, "build:d1", EVERY, 1000, limits, NOW, 60)
    budgets.reap(session, PRICES, NOW + 60)
    budgets.reserve(session, "build:d2", EVERY, 600, limits, NOW + 60, 60)

    assert isinstance(budgets.reserve(session, "build:d1", EVERY, 1000, limits, NOW + 61, 60), Over)
    budgets.settle(session, "build:d2", PRICES, NOW + 62)
    assert isinstance(budgets.reserve(session, "build:d1", EVERY, 1000, limits, NOW + 63, 60), Reservation)
    assert sums.unproven(session) == []


def test_a_heartbeat_keeps_the_reaper_away(session: Session) -> None:
    budgets.reserve(session, "build:d1", EVERY, 500, [], NOW, 60)

    assert budgets.extend(session, "build:d1", NOW + 50, 60)
    assert budgets.reap(session, PRICES, NOW + 100) == []
    budgets.settle(session, "build:d1", PRICES, NOW + 100)
    assert not budgets.extend(session, "build:d1", NOW + 101, 60)


def test_booking_takes_from_what_was_put_aside_until_it_is_used_up(session: Session) -> None:
    budgets.reserve(session, "run:d1:0", EVERY, 500, [], NOW, 60)
    held = []
    for _ in range(3):
        budgets.meter(session, "run:d1:0", build(10))
        budgets.book(session, "run:d1:0", PRICES, NOW)
        held.append(purses(session)["project:1"])

    assert held == [300, 100, 0]
    assert spent(session, PROJECT) == 600
    assert sums.unproven(session) == []


def test_many_small_bookings_come_to_the_same_as_one(session: Session) -> None:
    tiny = Usage(cpu_us=12_345, memory=7_654_321, out=999)
    for work in ("run:a:0", "run:b:0"):
        budgets.reserve(session, work, [PROJECT], 0, [], NOW, HOUR)
    whole = Usage()
    for _ in range(333):
        whole += tiny
        budgets.meter(session, "run:a:0", tiny)
        budgets.book(session, "run:a:0", PRICES, NOW)

    assert budgets.settle(session, "run:a:0", PRICES, NOW) == 0
    assert (
        budgets.settle(session, "run:b:0", PRICES, NOW, whole) == spent(session, PROJECT) // 2 == PRICES.charge(whole)
    )


def test_an_agent_found_out_later_bears_it_too(session: Session) -> None:
    limits = [Limit("agent:*", "day", 400)]
    budgets.reserve(session, "build:d1", [PULL, PROJECT], 500, limits, NOW, 60)

    over = budgets.widen(session, "build:d1", EVERY, limits, NOW)
    assert isinstance(over, Over)
    assert over.standing.scope == AGENT
    assert purses(session) == {"pull:1#7": 500, "project:1": 500}

    assert budgets.widen(session, "build:d1", [PULL, AGENT, PROJECT], [], NOW) is None
    assert budgets.widen(session, "build:d1", [PULL, AGENT, PROJECT], [], NOW) is None
    assert purses(session)["agent:42"] == 500
    budgets.settle(session, "build:d1", PRICES, NOW, build(1))
    assert spent(session, AGENT) == 20
    assert sums.unproven(session) == []


def test_a_wrong_price_is_put_right_by_another_entry(session: Session) -> None:
    """What was booked in January is corrected in January, also when that is found in February."""
    budgets.reserve(session, "build:d1", EVERY, 0, [], NOW, 60)
    budgets.settle(session, "build:d1", PRICES, NOW, build(1000))
    later = NOW + 40 * DAY
    assert spent(session, PROJECT, "month") == 20_000

    made = ledger.correct(session, 1, -5000, Entry("budget.corrected", later, after={"reason": "price list of 2025"}))

    assert (made.seq, made.corrects, made.at, made.written_at) == (2, 1, NOW, later)
    assert (spent(session, PROJECT, "month"), spent(session, PROJECT, "month", later)) == (15_000, 0)
    assert session.get_one(Reservation, "build:d1").spent == 15_000
    assert sums.unproven(session) == []
    line = session.exec(select(AuditEntry)).one()
    assert '"what":"budget.corrected"' in line.payload
    assert '"money":{"amount":-5000,"entry":20000}' in line.payload
    with pytest.raises(SlipwayError, match="no entry 99"):
        ledger.correct(session, 99, 1, Entry("budget.corrected", later))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET amount = 0",
        "DELETE FROM ledger_entry",
        "INSERT OR REPLACE INTO ledger_entry SELECT * FROM ledger_entry",
    ],
)
def test_the_ledger_is_never_changed(session: Session, statement: str) -> None:
    budgets.reserve(session, "build:d1", EVERY, 0, [], NOW, 60)
    budgets.settle(session, "build:d1", PRICES, NOW, build(1))

    with pytest.raises(IntegrityError, match="ledger"):
        session.connection().execute(text(statement))
    assert audit.unguarded(session) == []


def test_a_sum_that_was_tampered_with_shows(session: Session) -> None:
    budgets.reserve(session, "build:d1", EVERY, 100, [Limit("project", "month", 10**6)], NOW, 60)
    budgets.meter(session, "build:d1", build(1))
    budgets.book(session, "build:d1", PRICES, NOW)
    assert sums.unproven(session) == []

    session.exec(select(Spend)).one().spent += 1
    session.get_one(Purse, "project:1").held += 1
    session.get_one(Reservation, "build:d1").spent += 1
    session.flush()

    assert sums.unproven(session) == [
        "project:1, month from 1798761600: 21, the ledger 20",
        "build:d1: 21, the ledger 20",
        "project:1: 81 put aside, the reservations 80",
    ]


def test_a_settled_month_is_the_invoice_computed_by_hand(session: Session) -> None:
    """January 2027 of one preview that ran the whole month, with two builds; millionths of a dollar by hand:

    builds    95.5 s + 12.25 s = 107.75 s x 20                            =     2 155
    processor 0.02 of one x 2 678 400 s = 53 568 s x 10                   =   535 680
    memory    0.25 GiB x 2 678 400 s = 669 600 GiB s x 5                  = 3 348 000
    disk      0.6 GiB x 31 d = 18.6 GiB d x 10 000                        =   186 000
    out       3.2 GiB x 100 000                                           =   320 000
                                                                            4 391 835
    """
    begin = 1_798_761_600.0  # 2027-01-01 00:00 UTC
    for work, seconds in (("build:d1", 95.5), ("build:d2", 12.25)):
        budgets.reserve(session, work, EVERY, 10_000, [], begin, HOUR)
        budgets.settle(session, work, PRICES, begin + 1, build(seconds))
    for n in range(31 * 4):
        work, at = f"run:d1:{n}", begin + n * 6 * HOUR
        budgets.reserve(session, work, EVERY, 6000, [], at, 7 * HOUR)
        for _ in range(4):
            budgets.meter(session, work, Usage(cpu_us=108_000_000, memory=GIB // 4 * 5400, stored=GIB * 3240))
        budgets.settle(session, work, PRICES, at + 6 * HOUR - 1)
    budgets.reserve(session, "run:d1:out", EVERY, 0, [], begin, HOUR)
    budgets.settle(session, "run:d1:out", PRICES, begin + DAY, Usage(out=GIB * 32 // 10))

    assert spent(session, PROJECT, "month", begin) == 4_391_835
    assert spent(session, PROJECT, "month", begin + 31 * DAY) == 0


def test_an_estimate_is_the_median_of_the_last_of_its_kind(session: Session) -> None:
    assert budgets.estimate(session, 1, "build", 777) == 777
    for n, seconds in enumerate([1000] * 5 + [10] * 9 + [0] + [30] * 11):
        budgets.reserve(session, f"build:d{n}", EVERY, 0, [], NOW + n, 60)
        budgets.settle(session, f"build:d{n}", PRICES, NOW + n, build(seconds))

    assert budgets.estimate(session, 1, "build", 777) == 600  # 11 of the last 20 took 30 s
    assert budgets.estimate(session, 2, "build", 777) == 777


def test_an_hour_of_running_is_estimated_from_shorter_runs(session: Session) -> None:
    for n, (length, cost) in enumerate([(1800.0, 100), (3600.0, 300), (60.0, 999)]):
        budgets.reserve(session, f"run:d:{n}", EVERY, 0, [], NOW, HOUR)
        budgets.settle(session, f"run:d:{n}", PRICES, NOW + length, build(cost / 20))

    assert budgets.estimate(session, 1, "run", 777) == 300  # 200 and 300 an hour; a minute says nothing


def test_counters_become_usage_and_a_new_life_begins_at_nothing(session: Session) -> None:
    def look(instance: str, cpu: float, at: float, life: str = "a", **how: bool) -> Usage:
        return meters.take(session, "d1", instance, Reading(cpu, 1000, 500, life), NOW + at, **how)

    assert look("i1", 2.0, 0) == Usage(cpu_us=2_000_000)
    assert look("i1", 3.5, 10) == Usage(cpu_us=1_500_000, memory=10_000, stored=5000)
    assert look("i1", 3.0, 20) == Usage(memory=10_000, stored=5000)  # a child's time was lost with it
    assert look("i1", 3.5, 30).cpu_us == 500_000
    assert look("i1", 0.25, 40, "b").cpu_us == 250_000  # restarted
    assert look("i2", 0.5, 50, "b") == Usage(cpu_us=500_000)  # another instance
    assert look("i2", 0.5, 60, "b", asleep=True) == Usage(stored=5000)
    assert look("i2", 0.5, 60 + 9 * HOUR, "b").memory == 120_000  # nobody looked for nine hours
    assert meters.take(session, "d1", "i2", None, NOW) == Usage()


def test_bytes_out_are_metered_once(session: Session) -> None:
    sent = [meters.out(session, "d1", count, NOW + at).out for at, count in enumerate([100, 120, 120, 20])]

    assert sent == [100, 20, 0, 20]  # the last: the router had forgotten it, and counts anew
    assert meters.take(session, "d1", "i1", None, NOW) == Usage()
    assert meters.out(session, "d2", 7, NOW + 70, 60).out == 7
    assert meters.out(session, "d2", 9, NOW + 100, 60).out == 0
    assert meters.out(session, "d2", 9, NOW + 131, 60).out == 2


THREADS, EACH, MOST = 50, 20, 333


async def test_fifty_threads_never_pass_a_limit_and_lose_nothing(store: Store, url: str) -> None:
    """50 threads × 20 reservations over 4 scopes, through the one writer and, at the same time, another process's."""
    limits = [Limit("project", "month", MOST * 10), Limit("organization", "week", MOST * 10 + 5)]
    scopes = (PULL, AGENT, PROJECT, EVERY[4])
    other = Store.open(url)
    admitted: list[str] = []
    lock = threading.Lock()

    def work(thread: int) -> None:
        writer = (store, other)[thread % 2]._writer
        for n in range(EACH):
            name = f"build:{thread}-{n}"
            made = writer.submit(
                lambda s, name=name: budgets.reserve(s, name, scopes, 10, limits, NOW, 60)  # type: ignore[misc]
            ).result()
            if isinstance(made, Reservation):
                with lock:
                    admitted.append(name)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    other.close()

    assert len(admitted) == MOST
    assert await store.read(purses) == {str(scope): MOST * 10 for scope in scopes}
    for name in admitted:
        await store.write(budgets.settle, name, PRICES, NOW, build(0.5))
    assert await store.read(spent, PROJECT, "month") == MOST * 10
    assert await store.read(sums.unproven) == []
    assert len(await store.read(lambda s: s.exec(select(LedgerEntry)).all())) == MOST
