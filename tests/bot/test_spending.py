"""What runs is looked at and booked, hour by hour; what ended is settled; who runs low is told."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import select

from bot.budgets import FIRST_HOUR, Bounds, Limit, Over, Prices
from bot.models import (
    Alert,
    AuditEntry,
    Deployment,
    Environment,
    Installation,
    LedgerEntry,
    Night,
    Project,
    PullRequest,
    Release,
    Reservation,
    Stage,
    State,
)
from bot.policy import terms
from bot.policy.terms import Effective
from bot.previews.spending import bounds
from bot.reports.alerts import Alerts
from bot.scanners.findings import Finding
from bot.store import Store
from bot.store.budgets import sums
from bot.store.money import Look, Money
from runners.base import Reading

NOW, HOUR, MIB = 1_773_000_000.0, 3600.0, 1 << 20
PRICES = Prices.of({"cpu_second": "0.00001", "gib_second": "0.000005", "build_second": "0.00002", "gib_out": "0.1"})
COPILOT = 198982749


@dataclasses.dataclass
class Books:
    """A clock, limits that a test sets, bytes that a router sent."""

    store: Store
    now: float = NOW
    limits: tuple[Limit, ...] = ()
    sent: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def money(self) -> Money:
        async def of(_project: int) -> Bounds:
            return Bounds(self.limits)

        return Money(self.store, PRICES, of, lambda: self.now, lambda _session: self.sent)

    async def look(self, cpu: float | None = None, number: int | None = 7, **how: Any) -> list[tuple[Look, Over]]:
        reading = None if cpu is None else Reading(cpu, 256 * MIB, 0)
        return await self.money.sample([Look(how.pop("ident", "d1"), 1, number, "i1", reading, **how)])

    async def works(self) -> dict[str, Reservation]:
        return await self.store.read(lambda s: {row.work: row for row in s.exec(select(Reservation))})

    async def spent(self, scope: str = "project:1") -> int:
        return await self.store.read(
            lambda s: sum(row.amount for row in s.exec(select(LedgerEntry)) if scope in row.scopes)
        )


@pytest.fixture
async def books(store: Store) -> AsyncIterator[Books]:
    """An agent's pull request, whose preview runs."""
    rows = (
        Installation(id=5, account="Acme"),
        Project(id=1, installation_id=5, owner="acme", name="shop"),
        PullRequest(project_id=1, number=7, author_id=COPILOT, author="Copilot"),
        Deployment(id="d1", delivery="g1", project_id=1, number=7, sha="a" * 40, state=State.LIVE, received_at=NOW),
    )
    await store.write(lambda session: session.add_all(rows))
    made = Books(store)
    yield made
    assert await store.read(sums.unproven) == []


async def test_running_is_booked_by_the_minute_and_settled_by_the_hour(books: Books) -> None:
    for seconds in range(0, 3601, 15):
        books.now = NOW + seconds
        await books.look(cpu=seconds / 100)

    works = await books.works()
    assert list(works) == ["run:d1:0"]
    assert works["run:d1:0"].state == "settled"
    assert works["run:d1:0"].estimate == PRICES.charge(FIRST_HOUR)
    # 36 s of processor at 10, and 0.25 GiB for 3600 s at 5, in millionths
    assert await books.spent() == 360 + 4500
    entries = await books.store.read(lambda s: s.exec(select(LedgerEntry)).all())
    assert len(entries) == 60
    assert entries[0].scopes == ["pull:1#7", f"agent:{COPILOT}", "project:1", "organization:5"]

    books.now += 15
    await books.look(cpu=36.2)
    assert (await books.works())["run:d1:1"].estimate == 4860  # as much as the hour before


async def test_what_sleeps_costs_no_memory(books: Books) -> None:
    await books.look(cpu=1.0, asleep=True)
    books.now += 2 * HOUR
    await books.look(cpu=1.0, asleep=True)

    assert await books.spent() == 10
    assert (await books.works())["run:d1:0"].estimate == 0


async def test_bytes_of_static_files_are_booked_without_an_instance(books: Books) -> None:
    books.sent = {"d1": 1 << 30}
    await books.money.sample([])
    await books.money.sample([])
    assert await books.spent("pull:1#7") == 100_000

    books.sent, books.now = {"d1": 3 << 29, "gone": 5}, NOW + 61
    await books.money.sample([])
    assert await books.spent() == 150_000


async def test_production_is_booked_to_the_project_and_never_stops(books: Books) -> None:
    books.limits = (Limit("project", "month", 1, on_limit="sleep_previews"),)
    release = Release(
        id="r1", delivery="r", project_id=1, environment="production", deployment="d1", sha="a", artifact="x",
        state=Stage.VERIFIED, started_at=NOW,
    )  # fmt: skip
    await books.store.write(lambda s: s.add_all([release, Environment(project_id=1, name="production", release="r1")]))

    for cpu in (1.0, 2.0):
        assert await books.look(cpu, number=None, ident="r1") == []
        books.now += 61

    assert await books.spent() > 0
    assert await books.spent("pull:1#7") == 0


async def test_over_a_limit_new_ones_are_refused_and_what_runs_goes_on(books: Books) -> None:
    books.limits = (Limit("agent:*", "day", 2000),)
    for cpu in (0.0, 150.0, 300.0):
        assert await books.look(cpu) == []
        books.now += 61

    over = await books.money.admit(1, 7, "d2", 60)

    assert over is not None
    assert (over.standing.scope.key, over.standing.scope.label) == (str(COPILOT), "GitHub Copilot")
    assert over.actual > 2000
    assert "build:d2" not in await books.works()
    assert await books.money.wake(1, 7, "d1") is None  # nothing new


async def test_where_previews_sleep_they_wake_only_when_there_is_money(books: Books) -> None:
    books.limits = (Limit("pr:*", "day", 5000, on_limit="sleep_previews"),)
    await books.look(cpu=0.0)
    books.now += 15
    assert await books.look(cpu=10.0) == []
    books.now += 61

    ((look, over),) = await books.look(cpu=900.0)

    assert (look.deployment, over.standing.spent >= 5000) == ("d1", True)
    assert await books.money.exhausted(1, 7) is not None
    assert await books.money.wake(1, 7, "d1") is not None
    books.now += 86_400
    assert await books.money.exhausted(1, 7) is None
    assert await books.money.wake(1, 7, "d1") is None


async def test_a_build_is_settled_however_its_delivery_ended(books: Books) -> None:
    rows = [
        Deployment(id=f"b{n}", delivery=f"b{n}", project_id=1, number=7, sha="b", state=state, received_at=NOW)
        for n, state in enumerate([State.BUILDING, State.CANCELLED, State.FAILED])
    ]
    await books.store.write(lambda session: session.add_all(rows))
    for row in rows:
        assert await books.money.admit(1, 7, row.id, 60) is None

    books.now += 30
    await books.money.sample([])

    works = await books.works()
    assert [works[f"build:b{n}"].state for n in range(3)] == ["open", "settled", "settled"]
    assert works["build:b0"].expires_at > books.now + 60  # it goes on: nobody reaps it


async def test_a_build_is_booked_and_its_first_hour_put_aside(books: Books) -> None:
    assert await books.money.admit(1, 7, "d1", 60) is None
    await books.money.built(1, 7, "d1", 12.5, runs_on=True)
    await books.money.built(1, 7, "d1", 12.5, runs_on=True)  # tried again

    works = await books.works()
    assert (works["build:d1"].spent, works["build:d1"].held) == (250, 0)
    assert works["run:d1:0"].held == PRICES.charge(FIRST_HOUR)
    assert (await books.money.account(1, 7)).cost == 250


async def test_each_threshold_is_noted_once_and_the_highest_is_told(books: Books) -> None:
    books.limits = (Limit("project", "month", 10_000), Limit("project", "lifetime", 10**9))
    told = []
    for cpu in (0.0, 850.0, 851.0, 960.0, 961.0):
        await books.look(cpu)
        books.now += 61
        told.append([row.threshold for row in await books.money.untold()])

    assert told == [[], [80], [80], [80, 95], [80, 95]]
    every = await books.store.read(lambda s: sorted(row.threshold for row in s.exec(select(Alert))))
    assert every == [0, 50, 80, 95]  # at that rate it would not have lasted either
    pull = await books.store.read(lambda s: s.get_one(PullRequest, (1, 7)).changes)
    assert pull == 2
    lines = await books.store.read(lambda s: [row.payload for row in s.exec(select(AuditEntry))])
    assert sum('"what":"budget.alert"' in line for line in lines) == 2


async def test_a_rate_that_will_not_last_is_told_before_anything_is_reached(books: Books) -> None:
    books.limits = (Limit("project", "month", 10_000, alerts=(90,)),)
    for cpu in (0.0, 500.0, 501.0):
        await books.look(cpu)
        books.now += 61

    (row,) = await books.money.untold()

    assert row.threshold == 0
    assert row.runs_out is not None
    assert NOW < row.runs_out < NOW + 9 * 86_400


Hook = Callable[[int], Awaitable[tuple[str, list[Any]]]]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A webhook that answers with a status, and what it got."""
    runners = []

    async def open_one(status: int) -> tuple[str, list[Any]]:
        got: list[Any] = []

        async def take(request: web.Request) -> web.Response:
            got.append(await request.json())
            return web.Response(status=status)

        app = web.Application()
        app.router.add_post("/hook", take)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/hook", got

    yield open_one
    for runner in runners:
        await runner.cleanup()


async def test_a_webhook_is_told_once_and_again_when_it_did_not_take_it(books: Books, hook: Hook) -> None:
    books.limits = (Limit("project", "lifetime", 1000),)
    for cpu in (0.0, 96.0):
        await books.look(cpu)
        books.now += 61
    (down, refused), (up, taken) = await hook(500), await hook(200)

    await Alerts(down, books.money, books.store, lambda: NOW).tell()
    await Alerts("http://127.0.0.1:9/none", books.money, books.store, lambda: NOW).tell()
    for _ in range(2):
        await Alerts(up, books.money, books.store, lambda: NOW).tell()

    assert len(refused) == 1
    (one,) = taken
    assert one["text"].startswith("95 % of the budget of project acme/shop (lifetime, all time) is used:")


def night(**fields: Any) -> Night:
    finding = Finding("dependencies", "GHSA-1", "malware", 10.0, "", 0, 0, "evil 1.0 <!channel>", "ab:0", "Go.")
    late = [{**finding.as_json(), "since": True}]
    found = {"environment": "production", "sha": "a" * 40, "number": 5, "revoked": True, "back": True, "late": late}
    return Night(**{"project_id": 1, "day": 20_000, "at": NOW, "found": [found], **fields})


async def test_what_became_known_of_production_is_told_once_and_again_when_it_was_not_taken(
    books: Books, hook: Hook
) -> None:
    await books.store.write(lambda session: session.add(night()))
    (down, refused), (up, taken) = await hook(500), await hook(200)

    for url in (down, up, up):
        await Alerts(url, books.money, books.store, lambda: NOW).tell()

    assert len(refused) == 1
    (one,) = taken
    assert "acme/shop serves aaaaaaa of #5" in one["text"] and "GHSA-1: evil 1.0" in one["text"]
    assert "/rollback production --reason=words" in one["text"] and "<" not in one["text"]


async def test_a_night_that_came_to_nothing_says_why(books: Books, hook: Hook) -> None:
    await books.store.write(lambda session: session.add(night(found=[], fault="GitHub does not answer")))
    up, taken = await hook(200)

    await Alerts(up, books.money, books.store, lambda: NOW).tell()

    assert "acme/shop serves was not looked up: GitHub does not answer" in taken[0]["text"]


async def test_without_a_webhook_nothing_waits(books: Books) -> None:
    books.limits = (Limit("project", "lifetime", 10),)
    for cpu in (0.0, 96.0):
        await books.look(cpu)
        books.now += 61

    await Alerts(None, books.money, books.store, lambda: NOW).tell()

    assert await books.money.untold() == []


def test_limits_of_a_policy_become_ours_and_a_foreign_currency_lets_nothing_pass() -> None:
    said = terms.Budgets(
        (
            terms.Limit("agent:*", "day", "USD", "Europe/Berlin", 5_000_000, (50, 95), "sleep_previews"),
            terms.Limit("project", "month", "EUR", "UTC", 50_000_000, (80,), "deny_new"),
        ),
        frozenset({"Web"}),
    )

    found = bounds(Effective(budgets=said), "USD")

    assert found.limits[0] == Limit("agent:*", "day", 5_000_000, (50, 95), "sleep_previews", "Europe/Berlin")
    assert found.limits[1].limit_micro == 0
    assert found.teams == {"web"}


async def test_teams_and_the_organization_bear_it_too(books: Books) -> None:
    async def of(_project: int) -> Bounds:
        return Bounds((Limit("team:web", "week", 10**6),), frozenset({"web"}))

    money = Money(books.store, PRICES, of, lambda: books.now)
    assert await money.admit(1, 7, "d1", 60) is None
    await money.built(1, 7, "d1", 10, runs_on=False)

    assert [await books.spent(scope) for scope in ("team:5/web", "organization:5")] == [200, 200]
    account = await money.account(1, 7, "team")
    assert [(one.scope.label, one.spent) for one in account.standings] == [("web", 200)]
