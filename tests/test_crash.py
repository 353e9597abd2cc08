"""kill -9 at any moment, twenty times, under deliveries that never stop: nothing accepted is lost, nothing is doubled.

The whole service runs as everybody runs it, in a process of its own; GitHub and its git run here.  What was not
acknowledged is sent again afterwards, as GitHub's list of failed deliveries allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from demo.github.records import Pull
from runners.isolation import marks
from tests.house import SERVER, House, stage
from tests.sizes import soak
from tests.victim import Victim

pytestmark = pytest.mark.slow

ROUNDS = soak(20, 6)
DELIVERIES = 20  # a round, at least
PULLS = {"acme/shop": (0, 4), "acme/docs": (1, 2)}  # repository -> (server apps, static pages)
LATEST_KILL = 1.6  # seconds after a round began
PATIENCE = 40.0  # seconds until all that a round asked for has to be true
HOLDING = ("live", "asleep", "replaced")


class Crowd:
    """People and agents who open, change, close and reopen pull requests, and press buttons."""

    def __init__(self, home: House) -> None:
        self._home, self._github = home, home.github
        self._count = 0
        self._servers: set[tuple[str, int]] = set()
        self.pulls: dict[tuple[str, int], str] = {}  # what the head of each says

    async def open_all(self) -> None:
        await self._github.create_repository("acme", "docs", {"index.html": "docs"})
        self._github.grant("acme/docs", "ann", "write")
        for repo, (servers, pages) in PULLS.items():
            for number in range(servers + pages):
                branch, words = f"change-{number}", self._words()
                files = _server(words) if number < servers else {"index.html": words}
                await self._github.branch_commit(repo, branch, files, "Change it", "ann")
                key = (repo, await self._github.open_pull(repo, branch, "main", "A change", "", "ann"))
                self.pulls[key] = words
                if number < servers:
                    self._servers.add(key)

    async def act(self, chance: random.Random) -> None:
        """One thing that somebody does."""
        repo, number = key = chance.choice(sorted(self.pulls))
        pull = self._github.hub.pull(repo, number)
        act = chance.choices(("push", "close", "rerun", "again"), (6, 2, 1, 2))[0]
        if act == "again":
            await self._again(chance)
        elif pull.state == "closed":
            await self._github.reopen(repo, number)
        elif act == "push":
            words = self._words()
            files = _server(words) if key in self._servers else {"index.html": words}
            self.pulls[key] = words
            await self._github.branch_commit(repo, pull.head_ref, files, "Change it again", "ann")
        elif act == "close":
            await self._github.close_pull(repo, number)
        elif checks := [one for one in self._github.hub.repo(repo).checks.values() if one.suite.sha == pull.head_sha]:
            await self._github.rerequest(checks[-1].id)

    async def _again(self, chance: random.Random) -> None:
        """GitHub sends something a second time although it has arrived."""
        known = [one.id for one in self._github.deliveries[-60:] if one.event == "pull_request"]
        if known:
            self._github.hooks.redeliver(chance.choice(known))

    async def press_redeliver(self, chance: random.Random) -> None:
        """Send again what was not acknowledged, in no particular order."""
        while True:
            await self._github.settled()
            taken = {one.guid for one in self._github.deliveries if one.status == "OK"}
            lost = {one.guid: one.id for one in self._github.deliveries if one.guid not in taken}
            if not lost:
                return
            for ident in chance.sample(sorted(lost.values()), len(lost)):
                self._github.hooks.redeliver(ident)

    def _words(self) -> str:
        self._count += 1
        return f"content number {self._count}."


def _server(words: str) -> dict[str, str]:
    return {**SERVER, "app.py": SERVER["app.py"].replace('b" one"', f'b"{words}"')}


class Eye:
    """Looks at everything from outside: GitHub, the addresses, the processes, the books."""

    def __init__(self, home: House, crowd: Crowd) -> None:
        self._home, self._crowd, self._github = home, crowd, home.github

    async def problems(self) -> list[str]:
        """What is not as it has to be when all work is done."""
        found = self._queue()
        rows = self._rows("SELECT id, project_id, number, sha, state, instance FROM deployment")
        for repo, number in self._crowd.pulls:
            found += self._pull(repo, number, rows)
        if found:
            return found  # the rest takes longer to look at
        answers = await asyncio.gather(*(self._address(*key) for key in self._crowd.pulls))
        return [*(one for some in answers for one in some), *self._left(rows)]

    def _queue(self) -> list[str]:
        taken = {one.guid for one in self._github.deliveries if one.status == "OK"}
        rows = self._rows("SELECT guid, state, event, error, run_at FROM delivery")
        count = Counter(row["guid"] for row in rows)
        found = [f"{guid} was acknowledged and is there {count[guid]} times" for guid in taken if count[guid] != 1]
        ended = ("done", "superseded")
        return found + [
            f"{row['guid']} ({row['event']}) is {row['state']}: {row['error']}"
            for row in rows
            if row["state"] not in ended and row["run_at"] <= time.time()
        ]

    def _pull(self, name: str, number: int, rows: list[Any]) -> list[str]:
        repo, pull = self._github.hub.repo(name), self._github.hub.pull(name, number)
        ours = {row["id"]: row for row in rows if (row["project_id"], row["number"]) == (repo.id, number)}
        told = [one for one in repo.comments.values() if one.number == number and one.by_app]
        found = [f"{name}#{number} has {len(told)} comments"] if len(told) != bool(ours) else []
        if pull.state == "open":
            live = [row["sha"][:7] for row in ours.values() if row["state"] in ("live", "asleep")]
            found += [f"{name}#{number}: {live} live"] if live != [pull.head_sha[:7]] else []
        elif left := [
            row["id"] for row in ours.values() if row["state"] in HOLDING or row["instance"] not in (None, "null")
        ]:
            found += [f"{name}#{number} is closed and holds {left}"]
        return found + self._checks(pull, ours) + self._deployments(pull, ours)

    def _checks(self, pull: Pull, ours: dict[str, Any]) -> list[str]:
        name = f"{pull.repo.full_name}#{pull.number}"
        checks = [one for one in pull.repo.checks.values() if one.external_id in ours]
        twice = [ident for ident, times in Counter(one.external_id for one in checks).items() if times > 1]
        found = [f"{name}: two check runs for {twice}"] if twice else []
        running = [one.external_id for one in checks if one.status != "completed"]
        found += [f"{name}: checks that did not end: {running}"] if running else []
        newest = max((one for one in checks if one.suite.sha == pull.head_sha), key=lambda one: one.id, default=None)
        if pull.state == "open" and (newest is None or newest.conclusion != "success"):
            found.append(f"{name}: the head's check says {newest and newest.conclusion}")
        return found

    def _deployments(self, pull: Pull, ours: dict[str, Any]) -> list[str]:
        name = f"{pull.repo.full_name}#{pull.number}"
        made = [one for one in pull.repo.deployments.values() if _key(one.payload) in ours]
        active = [(one.sha, one.state) for one in made if one.state != "inactive"]
        due = [(pull.head_sha, "success")] if pull.state == "open" else []
        twice = [ident for ident, times in Counter(_key(one.payload) for one in made).items() if times > 1]
        found = [f"{name}: two Deployments for {twice}"] if twice else []
        return found + ([f"{name}: Deployments {active}, not {due}"] if active != due else [])

    async def _address(self, repo: str, number: int) -> list[str]:
        owner, name = repo.split("/")
        host, words = f"pr-{number}--{name}--{owner}.localhost", self._crowd.pulls[repo, number]
        answer = await self._home.visit(host)
        if self._github.hub.pull(repo, number).state == "closed":
            return [] if answer.status_code == 410 else [f"{host} is closed and answers {answer.status_code}"]
        good = answer.status_code == 200 and words in answer.text
        return [] if good else [f"{host} answers {answer.status_code} {answer.text[:80]!r}, not {words!r}"]

    def _left(self, rows: list[Any]) -> list[str]:
        """Processes and folders that no row accounts for."""
        home = self._home.settings.home
        holding = {row["id"] for row in rows if row["state"] in HOLDING}
        folders = {path.name for path in (home / "instances").glob("*")}
        prefix = (home / "id").read_text().strip() + "/"
        running = {mark.removeprefix(prefix) for mark in marks().values() if mark.startswith(prefix)}
        return [f"{one} runs or lies there and no row knows it" for one in (folders | running) - holding]

    def story(self) -> list[str]:
        """The last deliveries and deployments, for whoever has to find out what went wrong."""
        rows = self._rows(
            "SELECT key, event, action, stamp, state, attempt, guid, received_at, ended_at, error "
            "FROM delivery WHERE key LIKE '%#%' ORDER BY id DESC LIMIT 60"
        )
        made = self._rows(
            "SELECT number, id, delivery, sha, state, timeline FROM deployment ORDER BY rowid DESC LIMIT 20"
        )
        return [str(dict(row)) for row in (*rows[::-1], *made[::-1])]

    def _rows(self, query: str) -> list[Any]:
        path = self._home.settings.home / "slipway.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as books:
            books.row_factory = sqlite3.Row
            return books.execute(query).fetchall()


def _key(payload: Any) -> str:
    raw = json.loads(payload) if isinstance(payload, str) else payload
    return str(raw.get("slipway"))


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with stage(tmp_path) as one:
        yield one


async def test_twenty_kills_under_twenty_deliveries_each_lose_and_double_nothing(home: House, tmp_path: Path) -> None:
    seed = os.environ.get("SLIPWAY_CRASH_SEED") or str(random.randrange(10**6))
    print(f"SLIPWAY_CRASH_SEED={seed}")
    victim, crowd = Victim(home, tmp_path / "slipway.log"), Crowd(home)
    eye = Eye(home, crowd)
    await victim.start()
    try:
        await victim.ready()
        await crowd.open_all()
        await _all_right(eye, victim, "the start")
        for number in range(ROUNDS):
            await _round(home, victim, crowd, random.Random(f"{seed}:{number}"))
            await _all_right(eye, victim, f"round {number} of seed {seed}")
        await _close_all(home, crowd)
        await _all_right(eye, victim, f"closing all, seed {seed}")
    finally:
        await victim.end(signal.SIGTERM)
    assert "Traceback" not in victim.words()


async def _round(home: House, victim: Victim, crowd: Crowd, chance: random.Random) -> None:
    before = len(home.github.deliveries)
    end = asyncio.create_task(_kill_and_start(victim, chance.uniform(0, LATEST_KILL)))
    while len(home.github.deliveries) < before + DELIVERIES or not end.done():
        await crowd.act(chance)
        await asyncio.sleep(chance.uniform(0, 0.15))
    await end
    await victim.ready()
    await crowd.press_redeliver(chance)


async def _kill_and_start(victim: Victim, after: float) -> None:
    await asyncio.sleep(after)
    await victim.end(signal.SIGKILL)
    await victim.start()


async def _all_right(eye: Eye, victim: Victim, when: str) -> None:
    until = time.monotonic() + PATIENCE
    while problems := await eye.problems():
        if time.monotonic() > until:
            pytest.fail("\n".join([f"After {when}:", *problems, "", *eye.story(), "", victim.words()]), pytrace=False)
        await asyncio.sleep(0.1)


async def _close_all(home: House, crowd: Crowd) -> None:
    """So that nothing of the test goes on running after it."""
    for repo, number in crowd.pulls:
        await home.github.close_pull(repo, number)
    await home.github.settled()
