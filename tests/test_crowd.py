"""Many at once, and a GitHub that has a bad day: everything goes live, everything is told, and not too often."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.reports import EDIT_SECONDS
from demo.github.records import Call
from tests.house import HANG_UP, House, eventually, free_port, house
from tests.sizes import soak

pytestmark = pytest.mark.slow

REPOSITORIES, PULLS = 5, soak(10, 4)  # pull requests in each
PUSHES = soak(50, 20)
WRITES = ("POST", "PATCH", "PUT", "DELETE")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


def page(words: object) -> dict[str, str]:
    return {"index.html": f"<h1>words {words}.</h1>"}


def books(home: House, query: str) -> list[Any]:
    path = home.settings.home / "slipway.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as opened:
        opened.row_factory = sqlite3.Row
        return opened.execute(query).fetchall()


def writes(home: House, part: str = "/repos/") -> list[Call]:
    """What we asked GitHub to make or change, oldest first."""
    return [one for one in home.github.calls if one.method in WRITES and part in one.path]


async def told(home: House, number: int, seconds: float = 60.0) -> None:
    """Comment, check and Deployment say that the head is live."""
    sha = home.github.hub.pull(home.repo, number).head_sha
    await home.says(number, "is live", sha[:7], seconds=seconds)

    async def looked() -> bool | None:
        ended = [one.conclusion for one in home.checks(sha)] == ["success"]
        states = {one.sha: one.state for one in home.remote() if one.state != "inactive"}
        return True if ended and states == {sha: "success"} else None

    await eventually(looked, seconds)
    assert len(home.comments(number)) == 1


async def test_many_pull_requests_at_once_are_all_served_people_first(tmp_path: Path) -> None:
    async with house(tmp_path, SLIPWAY_CONCURRENCY=2) as home:
        github, here = home.github, home.github.hook_url
        github.user("robo", 77, "Bot")
        github.hook_url = f"http://127.0.0.1:{free_port()}/"  # nobody: all come at one moment, below
        names = [f"acme/repo-{n}" for n in range(REPOSITORIES)]
        numbers = await asyncio.gather(*(_open(home, name) for name in names))
        await github.settled()
        opened = [one for one in github.deliveries if (one.event, one.action) == ("pull_request", "opened")]
        github.hook_url = here

        began = time.monotonic()
        for one in opened:
            github.hooks.redeliver(one.id)
        pulls = [(name, number) for name, some in zip(names, numbers, strict=True) for number in some]
        await asyncio.gather(*(_live(home, *pull) for pull in pulls))
        assert time.monotonic() - began < 300

        await asyncio.gather(*(_commented(home, *pull) for pull in pulls))
        rows = books(home, "SELECT priority, received_at, started_at FROM delivery WHERE action = 'opened'")
        assert len(rows) == len(opened) == REPOSITORIES * PULLS
        last = max(row["received_at"] for row in rows)
        people = [row["started_at"] for row in rows if row["priority"] == 0 and row["started_at"] > last]
        bots = [row["started_at"] for row in rows if row["priority"] == 10 and row["started_at"] > last]
        assert people and bots and max(people) <= min(bots)


async def _open(home: House, name: str) -> list[int]:
    """Half of them by people, half by a bot that is faster."""
    owner, repo = name.split("/")
    await home.github.create_repository(owner, repo, {"index.html": name})
    numbers = []
    for n in range(PULLS):
        user = "robo" if n < PULLS // 2 else "ann"
        home.github.grant(name, user, "write")
        await home.github.branch_commit(name, f"b{n}", page(f"{name} {n}"), "Change it", user)
        numbers.append(await home.github.open_pull(name, f"b{n}", "main", "A change", "", user))
    return numbers


async def _live(home: House, name: str, number: int) -> None:
    owner, repo = name.split("/")
    await home.shows(f"pr-{number}--{repo}--{owner}.localhost", f"words {name} {number - 1}.", 240)


async def _commented(home: House, name: str, number: int) -> None:
    repo = home.github.hub.repo(name)

    async def looked() -> bool | None:
        ours = [one.body for one in repo.comments.values() if one.number == number and one.by_app]
        assert len(ours) <= 1
        return True if ours and "is live" in ours[0] else None

    await eventually(looked, 240)


async def test_many_pushes_in_a_row_are_told_in_few_words(home: House) -> None:
    number = await home.propose(page(0))
    await told(home, number)
    before = len(writes(home))

    for n in range(1, PUSHES + 1):
        await home.push(page(n))
        await asyncio.sleep(0.2)

    await home.shows(home.host(number), f"words {PUSHES}.")
    await told(home, number)
    edits = [one.at for one in writes(home, "/comments")]
    assert all(later - earlier > EDIT_SECONDS - 0.5 for earlier, later in itertools.pairwise(edits))
    live = len(books(home, "SELECT id FROM deployment WHERE live_at IS NOT NULL"))
    # For each that was live: a check run, a Deployment, its success, its end; in progress first, where it took long.
    # For each that was the head for long enough to be judged: a run, its end, and as much again when asked once more.
    judged = len(books(home, "SELECT sha FROM gate"))
    assert len(writes(home)) - before <= 6 * live + 4 * judged + len(edits)
    shas = {row["sha"] for row in books(home, "SELECT sha FROM deployment")}

    async def ended() -> bool | None:
        runs = [one for sha in shas for one in home.checks(sha, None)]
        return True if all(one.status == "completed" for one in runs) else None

    await eventually(ended)


@pytest.mark.parametrize("status", [502, HANG_UP])
async def test_a_github_that_is_down_delays_no_preview_and_hears_everything_later(home: House, status: int) -> None:
    number = await home.propose(page("before"))
    await told(home, number)
    home.trouble.instead = lambda _request: web.Response(status=status)

    for n in range(3):
        await home.push(page(n))
        await home.shows(home.host(number), f"words {n}.")
    assert "is live" in home.comments(number)[0]
    home.trouble.instead = lambda _request: None

    await told(home, number, 90)


async def test_a_github_that_does_not_answer_holds_up_no_preview(home: House) -> None:
    number = await home.propose(page("before"))
    await told(home, number)
    home.trouble.delay = lambda _request: 60.0

    await home.push(page("after"))

    await home.shows(home.host(number), "words after.", 15)


async def test_a_github_that_asks_us_to_wait_is_obeyed_and_told_later(home: House) -> None:
    number = await home.propose(page("before"))
    await told(home, number)
    asked: list[float] = []
    until = time.monotonic() + 6

    def slower(request: web.Request) -> web.Response | None:
        if request.method not in WRITES or "/comments" not in request.path or time.monotonic() > until:
            return None
        asked.append(time.monotonic())
        words = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
        return web.json_response(words, status=403, headers={"Retry-After": "1"})

    home.trouble.instead = slower
    await home.push(page("after"))

    await home.shows(home.host(number), "words after.", 5)
    await told(home, number)
    assert asked
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(asked))
