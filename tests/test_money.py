"""Money, end to end: what a change costs is told, and where a budget ends nothing more is begun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import Session, select

from bot.audit import Entry
from bot.models import LedgerEntry, Reservation
from bot.store import budgets
from bot.store.budgets import sums
from bot.sweeper import Sweeper
from tests.house import SERVER, House, eventually, house
from tests.talk import answers, ended, live, write

pytestmark = pytest.mark.slow
AGENT = "copilot/fix"  # a branch that GitHub Copilot's changes are known by
POLICY = """\
version: 1
budgets:
  limits:
    - {scope: "agent:*", period: day, limit: 1}
"""


def ledger(session: Session) -> list[LedgerEntry]:
    return list(session.exec(select(LedgerEntry)))


def reservations(session: Session) -> dict[str, Reservation]:
    return {row.work.split(":")[0]: row for row in session.exec(select(Reservation))}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, SLIPWAY_MONEY={"build_second": "0.01"}) as one:
        yield one


async def test_a_build_and_what_runs_are_booked_and_told(home: House) -> None:
    number = await live(home)
    assert home.service is not None
    store, previews = home.service.store, home.service.previews
    rows = await store.read(reservations)
    assert (rows["build"].state, rows["run"].state) == ("settled", "open")
    assert rows["run"].held > 0

    async def used() -> bool | None:
        await home.visit(home.host(number))
        await previews.spending.look()
        row = (await store.read(reservations))["run"]
        return True if row.metered.get("cpu_us") else None

    await eventually(used)

    body = await home.says(number, "This change has cost")
    assert "USD so far" in body
    assert home.twin(number)["money"]["currency"] == "USD"
    await ended(home, await write(home, number, "/budget"))
    assert "This change has cost" in answers(home, number)[0]
    assert await store.read(sums.unproven) == []
    assert next(iter(await store.read(ledger))).work.startswith("build:")


async def test_an_agent_hits_its_budget_and_reads_so(home: House) -> None:
    """Its next commit is not begun and says the numbers; what was live stays live."""
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": POLICY}, "Policy", author="ann")
    await home.github.settled()
    number = await live(home, branch=AGENT)
    assert home.service is not None
    store, now = home.service.store, home.service.clock()
    entry = Entry("budget.corrected", now, after={"reason": "the price was too low"})
    await store.write(budgets.ledger.correct, 1, 1_000_000, entry)

    sha = await home.push({"app.py": SERVER["app.py"].replace("one", "two")}, branch=AGENT)

    body = await home.says(number, "was not run", "Over budget")
    twin = home.twin(number)
    assert (twin["state"], twin["reason_code"]) == ("refused", "budget_exceeded")
    assert "limit 1.00 USD" in body
    assert "It renews" in body
    await home.shows(home.host(number), "hello one")

    async def checked() -> str | None:
        done = [one for one in home.checks(sha) if one.conclusion]
        return f"{done[0].conclusion}: {done[0].title}" if done else None

    told = await eventually(checked)
    assert told.startswith("action_required: Over budget: agent GitHub Copilot, today: 2.0")
    assert "needed, limit 1.00 USD." in told


async def test_previews_sleep_where_the_policy_says_so_and_wake_when_there_is_money(home: House) -> None:
    policy = POLICY.replace("limit: 1", "limit: 1, on_limit: sleep_previews")
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": policy}, "Policy", author="ann")
    await home.github.settled()
    number = await live(home, branch=AGENT)
    assert home.service is not None
    store, now = home.service.store, home.service.clock()
    entry = Entry("budget.corrected", now, after={"reason": "the price was too low"})
    await store.write(budgets.ledger.correct, 1, 1_000_000, entry)
    sweeper = Sweeper(home.settings, home.service, home.service.previews._ground.runner, home.service.clock)

    await sweeper.meter()

    async def asleep() -> str | None:
        answer = await home.visit(home.host(number))
        return answer.text if answer.status_code == 402 else None

    assert "The budget of agent GitHub Copilot is used up today" in await eventually(asleep)
    assert (await home.visit(home.host(number))).status_code == 402
    await home.says(number, "asleep", "95 % is reached")

    back = Entry("budget.corrected", now, after={"reason": "it was right"})
    await store.write(budgets.ledger.correct, 1, -1_000_000, back)
    await sweeper.meter()

    await home.shows(home.host(number), "hello one")
    assert await store.read(sums.unproven) == []
