"""The rows of the required check: when it is asked again, and what is never asked in vain."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.models import Delivery, Gate, Leave, Project, PullRequest, Work
from bot.store import Store, gates, pulls

SHA, NEXT, BASE = "a" * 40, "b" * 40, "c" * 40
NOW = 1_800_000_000.0


@pytest.fixture
async def books(store: Store) -> Store:
    def fill(session: Session) -> None:
        session.add(Project(id=1, installation_id=7, owner="acme", name="shop"))
        session.add(PullRequest(project_id=1, number=5, state="open", head_sha=SHA, updated_at="2026-01-01T00:00:00Z"))

    await store.write(fill)
    return store


async def stands(books: Store, conclusion: str | None, sha: str = SHA, opened_at: float = NOW) -> None:
    row = Gate(project_id=1, sha=sha, run=1, check_id=9, conclusion=conclusion, opened_at=opened_at)
    await books.write(lambda session: session.add(row))


def asked(session: Session) -> list[tuple[str, float]]:
    rows = session.exec(select(Delivery).where(Delivery.event == "slipway.judge").order_by(col(Delivery.id)))
    return [(row.state.value, row.run_at) for row in rows]


def waiting(session: Session) -> list[float]:
    return [run_at for state, run_at in asked(session) if state == Work.QUEUED.value]


def pull(**changes: str) -> PullRequest:
    fields: dict[str, Any] = {"state": "open", "head_sha": SHA, "updated_at": "2026-01-01T00:00:09Z", **changes}
    return PullRequest(project_id=1, number=5, **fields)


async def note(books: Store, one: PullRequest) -> None:
    project = Project(id=1, installation_id=7, owner="acme", name="shop")
    await books.write(pulls.note_pull, project, one, NOW)


async def conclusion(books: Store, sha: str = SHA) -> str | None:
    row = await books.read(gates.gate, 1, sha)
    assert row is not None
    return row.conclusion


async def test_the_end_of_a_soak_is_asked_about_although_something_came_between(books: Store) -> None:
    """The same moment is sent for twice: what was superseded must not swallow what came later."""
    await books.write(gates.ask_later, 1, SHA, NOW + 900, NOW)
    await books.write(gates.ask, 1, SHA, "a review", NOW + 5)
    await books.write(gates.ask_later, 1, SHA, NOW + 900, NOW + 6)

    assert await books.read(waiting) == [0.0, NOW + 900]


async def test_a_hundred_checks_are_a_few_runs(books: Store) -> None:
    await stands(books, "action_required")
    for number in range(100):
        await books.write(gates.ask_of_check, 1, SHA, f"job {number}", NOW + number / 100, ended=True)

    assert await books.read(waiting) == [NOW + gates.PAUSE]


@pytest.mark.parametrize("ended", [True, False])
async def test_a_success_waits_for_no_other_check(books: Store, ended: bool) -> None:
    """P8: not even while one only runs."""
    await stands(books, "success")
    await books.write(gates.ask_of_check, 1, SHA, "job", NOW, ended=ended)
    assert await books.read(waiting) == [0.0]


async def test_a_check_that_begins_changes_nothing_while_it_is_pending_anyway(books: Store) -> None:
    await stands(books, None)
    await books.write(gates.ask_of_check, 1, SHA, "job", NOW, ended=False)
    await books.write(gates.ask_of_check, 1, NEXT, "nobody's", NOW, ended=True)
    assert await books.read(asked) == []


@pytest.mark.parametrize("changes", [{"head_sha": NEXT}, {"state": "closed"}])
async def test_a_success_does_not_wait_where_nobody_has_it_for_a_head(books: Store, changes: dict[str, str]) -> None:
    """P3: pushed back with force or opened again, it would stand at once, whatever has changed since."""
    await stands(books, "success")
    await note(books, pull(**changes))
    assert await conclusion(books) == "left"
    assert await books.read(waiting) == [0.0]


async def test_what_was_merged_keeps_its_success(books: Store) -> None:
    await stands(books, "success")
    await note(books, pull(state="merged"))
    assert await conclusion(books) == "success"


async def test_another_base_is_asked_about_wherever_we_hear_of_it(books: Store) -> None:
    """P4: also when the delivery that told it was lost."""
    await stands(books, "success")
    await note(books, pull(base_ref="weak"))
    assert await books.read(waiting) == [0.0]


async def test_a_group_is_all_of_its_pull_requests_or_nothing(books: Store) -> None:
    """P5: a part of a group is no answer about the group."""
    await books.write(gates.note_group, 1, NEXT, None, BASE, NOW)
    await books.write(gates.note_group, 1, SHA, 5, NEXT, NOW)
    assert await books.read(gates.group, 1, SHA) == []

    await books.write(gates.note_group, 1, NEXT, 4, BASE, NOW)
    assert await books.read(gates.group, 1, SHA) == [5, 4]


async def test_groups_that_stand_on_each_other_in_a_circle_are_no_group(books: Store) -> None:
    await books.write(gates.note_group, 1, SHA, 5, NEXT, NOW)
    await books.write(gates.note_group, 1, NEXT, 4, SHA, NOW)
    assert await books.read(gates.group, 1, SHA) == []


@pytest.mark.parametrize("left", [None, "ending", "left"])
async def test_a_run_that_nobody_works_on_is_taken_up_again_once_in_ten_minutes(books: Store, left: str | None) -> None:
    await stands(books, left)
    for seconds in (0, 30, 60):
        await books.write(gates.ask_stuck, NOW + seconds)
    assert len(await books.read(asked)) == 1

    await books.write(gates.ask_stuck, NOW + gates.STUCK + 1)
    assert len(await books.read(asked)) == 1  # not for ever


async def test_a_run_that_is_asked_about_later_is_not_stuck(books: Store) -> None:
    await stands(books, None)
    await books.write(gates.ask_later, 1, SHA, NOW + 900, NOW)
    await books.write(gates.ask_stuck, NOW + 5)
    assert await books.read(waiting) == [NOW + 900]


async def test_an_override_says_when_it_ends(books: Store) -> None:
    def lift(session: Session) -> None:
        for what, until in (("soak", NOW + 60), ("checks", NOW + 30), ("size", NOW - 1)):
            session.add(
                Leave(
                    project_id=1,
                    number=5,
                    kind="override",
                    what=what,
                    sha=SHA,
                    by_id=1,
                    by_login="a",
                    at=0,
                    until=until,
                )
            )

    await books.write(lift)
    assert await books.read(gates.lifted_until, 1, 5, SHA, NOW) == NOW + 30
    assert await books.read(gates.lifted_until, 1, 5, NEXT, NOW) is None
