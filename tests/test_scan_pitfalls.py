"""The scan where tools of this kind let things through: hidden, asked once, compared with yesterday's target."""

# ruff: noqa: F811 - a fixture from elsewhere
from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.messages.scan import CHECK
from bot.models import Delivery, Project, PullRequest, Scan, Work
from bot.sources.changes import _Sieve
from bot.store import Store, deliveries, migrate, scans
from demo.security import leaked
from tests.house import SERVER, House, eventually
from tests.test_scan import INJECTION, concludes, head, home  # noqa: F401 - the fixture

SHA, NEXT = "a" * 40, "b" * 40
NOW = 1_800_000_000.0


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/books.db"
    migrate(url)
    store = Store.open(url)

    def fill(session: Session) -> None:
        session.add(Project(id=1, installation_id=7, owner="acme", name="shop"))
        session.add(PullRequest(project_id=1, number=5, state="open", head_sha=SHA, updated_at="2026-01-01T00:00:00Z"))

    await store.write(fill)
    yield store
    store.close()


def waiting(session: Session) -> list[str]:
    rows = session.exec(select(Delivery).where(Delivery.event == "slipway.scan", Delivery.state == Work.QUEUED))
    return [row.guid for row in rows]


async def test_a_head_that_is_pushed_back_to_is_scanned_to_its_end(books: Store) -> None:
    await books.write(scans.ask, 1, 5, SHA, "first", NOW)
    await books.write(scans.ask, 1, 5, NEXT, "second", NOW + 1)  # supersedes the first, which had not ended
    [claimed], _due = await books.write(deliveries.claim, NOW + 2, 4, 4)
    assert claimed.id is not None
    await books.write(scans.end, (1, 5, NEXT), None, NOW + 3, fault="whatever")
    await books.write(deliveries.finish, claimed.id, claimed.attempt, Work.DONE, NOW + 3)
    await books.write(scans.ask, 1, 5, SHA, "third", NOW + 4)  # forced back
    assert await books.read(waiting), "nobody scans the head, and its row never ends"


async def test_a_scan_that_failed_is_tried_again_when_somebody_asks(books: Store) -> None:
    await books.write(lambda session: session.add(Scan(project_id=1, number=5, sha=SHA, asked_at=NOW)))
    await books.write(scans.end, (1, 5, SHA), None, NOW + 1, fault="the source was not there")
    await books.write(scans.ask, 1, 5, SHA, "redeploy", NOW + 2)
    assert await books.read(waiting), "/redeploy and Re-run never scan again"


def test_what_is_left_out_for_its_number_is_told_as_such() -> None:
    sieve = _Sieve(sizes={"large": 1 << 20, "small": 100})
    for number in range(257):
        sieve.fits(f"a/{number}", "large")
    assert not sieve.fits("z/evil.py", "small")
    assert sieve.cut


async def test_a_scanner_that_is_not_there_is_missed_the_second_time_too(home: House) -> None:
    number = await home.propose({**SERVER, "note.txt": "nothing"})
    await concludes(home, number, "success")
    assert home.service is not None
    scanning = home.service.scan_check._scan
    away = [dataclasses.replace(one, binary=lambda: None) for one in scanning._equipment.tools]  # type: ignore[union-attr]
    object.__setattr__(scanning._equipment, "tools", away)  # type: ignore[union-attr]

    await home.push({"note.txt": "something"})
    assert "kingfisher" in (await concludes(home, number, "action_required")).title
    await home.github.comment(home.repo, number, "meg", "/redeploy")

    assert "kingfisher" in (await concludes(home, number, "action_required", runs=2)).title


async def ended(home: House, number: int) -> Any:
    async def look() -> Any:
        every = home.checks(head(home, number), CHECK)
        return every[-1] if every and every[-1].status == "completed" else None

    return await eventually(look)


@pytest.mark.slow
async def test_a_change_with_another_target_is_another_change(home: House) -> None:
    first = await home.push({**SERVER, "shop.py": INJECTION})
    await home.github.hub.repo(home.repo).git.point("refs/heads/side", first)
    await home.push({"a.txt": "1"})
    number = await home.github.open_pull(home.repo, "change", "side", "A change", "", "ann")
    await concludes(home, number, "success")  # the injection stands in the target

    await home.github.edit_base(home.repo, number, "main")

    await concludes(home, number, "failure", runs=2)


@pytest.mark.slow
async def test_a_file_that_is_too_large_to_be_looked_at_does_not_pass(home: House) -> None:
    number = await home.propose({**SERVER, "shop.py": INJECTION + "# \n" * 400_000})
    assert (await ended(home, number)).conclusion != "success"


@pytest.mark.slow
async def test_a_change_that_is_too_large_to_be_looked_at_does_not_pass(home: House) -> None:
    files = {f"A/{number:03}.txt": " " * (1 << 20) for number in range(255)}
    files |= {f"B/{19 - number:02}{twin}.txt": " " * (1 << number) for number in range(20) for twin in "ab"}
    number = await home.propose({**SERVER, **files, "zz.py": INJECTION})
    assert (await ended(home, number)).conclusion != "success"


@pytest.mark.slow
async def test_requirements_that_pip_reads_and_we_do_not_do_not_pass(home: House) -> None:
    text = b"# -*- coding: latin-1 -*-\n# caf\xe9\nflask-shop-searching-nobody-has==1.0\n"
    await home.github.branch_commit(
        home.repo, "change", {**SERVER, "requirements.txt": text}, "Change it", author="ann"
    )
    number = await home.github.open_pull(home.repo, "change", "main", "A change", "", "ann")
    assert (await ended(home, number)).conclusion != "success"


async def moved(home: House, old: str, new: str, content: str) -> int:
    """A pull request that only moves a file of the target."""
    await home.github.branch_commit(home.repo, "main", {**SERVER, old: content}, "Old code", author="ann")
    await home.github.branch_commit(home.repo, "change", {new: content}, "Move it", author="ann", delete=[old])
    return await home.github.open_pull(home.repo, "change", "main", "A change", "", "ann")


@pytest.mark.slow
async def test_a_file_that_only_moves_brings_nothing_new(home: House) -> None:
    text = INJECTION + f'STRIPE_KEY = "{leaked()}"\n'
    number = await moved(home, "shop.py", "web/shop.py", text)
    assert "known" in (await concludes(home, number, "success")).title

    await home.push({"web/copy.py": text})
    await concludes(home, number, "failure")  # a copy is another one


@pytest.mark.slow
async def test_a_test_that_becomes_code_is_weighed_as_code(home: House) -> None:
    number = await moved(home, "tests/test_shop.py", "shop.py", INJECTION)
    assert "S608" in (await concludes(home, number, "failure")).summary


@pytest.mark.slow
async def test_a_lock_that_is_too_large_to_be_read_does_not_pass(home: House) -> None:
    number = await home.propose({**SERVER, "package-lock.json": '{"lockfileVersion": 3}' + " " * (9 << 20)})
    assert "package-lock.json" in (await concludes(home, number, "action_required")).summary.replace("\\", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logo.png", "static/font.woff2"])
async def test_a_key_in_text_that_is_called_an_image_is_found_where_it_stands(home: House, name: str) -> None:
    number = await home.propose({**SERVER, name: f'STRIPE_KEY = "{leaked()}"\n'})
    assert name in (await concludes(home, number, "failure")).summary.replace("\\", "")
