"""kill -9 in the middle of promotions and rollbacks: each is carried out once, and production always shows something.

As tests/test_crash.py for previews: the whole service in a process of its own, GitHub here.  Half of the kills come
when the books say that a release has begun, or that it has just been switched to; the others at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runners.isolation import marks
from tests.house import House, eventually, stage
from tests.shipping import MAIN, proposed
from tests.sizes import soak
from tests.test_switches import app
from tests.victim import Victim

pytestmark = pytest.mark.slow

KILLS = soak(10, 4)
LATEST_KILL = 0.6  # seconds after a command was written
LATEST_AGAIN = 0.3  # seconds after the service was ready again, when it is killed twice
PATIENCE = 40.0  # seconds until all that a round asked for has to be true
HOLDING = ("live", "asleep", "replaced")
RETURNABLE = "('verified', 'superseded', 'inconclusive')"


class Books:
    """What the database says, read from outside."""

    def __init__(self, home: House) -> None:
        self._path = home.settings.home / "slipway.db"

    def rows(self, query: str, *values: object) -> list[Any]:
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as books:
            books.row_factory = sqlite3.Row
            return books.execute(query, values).fetchall()

    def environment(self) -> Any:
        (row,) = self.rows("SELECT * FROM environment")
        return row

    def serving(self) -> Any:
        (row,) = self.rows("SELECT * FROM release WHERE id = ?", self.environment()["release"])
        return row

    def held(self) -> str | None:
        """The artifact that may not be promoted."""
        found = self.rows("SELECT artifact FROM release WHERE id = ?", self.environment()["hold_release"])
        return str(found[0]["artifact"]) if found else None

    def former(self) -> bool:
        """Whether there is something to go back to."""
        good = f"SELECT id FROM release WHERE generation IS NOT NULL AND state IN {RETURNABLE} AND artifact <> ?"
        return bool(self.rows(good, self.serving()["artifact"]))

    def artifact(self, number: int) -> str:
        return str(self.rows("SELECT artifact FROM deployment WHERE number = ? AND state = 'live'", number)[0][0])

    def begun(self) -> bool:
        return bool(self.rows("SELECT id FROM release WHERE state = 'releasing'"))

    def lines(self) -> list[dict[str, Any]]:
        """The books about releases that serve."""
        found = [json.loads(row["payload"]) for row in self.rows("SELECT payload FROM audit_entry ORDER BY seq")]
        return [one for one in found if one["what"] in ("release.live", "release.rolled_back")]


class Lookout:
    """Asks production all the time, and knows when the service was down."""

    def __init__(self, home: House, contents: set[str]) -> None:
        self._url, self._host = f"http://127.0.0.1:{home.settings.port}/", f"{MAIN}:{home.settings.port}"
        self._contents, self._odd = contents, []  # type: tuple[set[str], list[tuple[float, float, str]]]
        self.down: list[tuple[float, float]] = []
        self.amid = 0  # kills while a command was worked on
        self.good: list[float] = []  # when each good answer was there

    async def run(self) -> None:
        """Until cancelled."""
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session:
            while True:
                began = time.monotonic()
                odd = await self._ask(session)
                if odd is None:
                    self.good.append(time.monotonic())
                else:
                    self._odd.append((began, time.monotonic(), odd))
                await asyncio.sleep(0.01)

    async def _ask(self, session: aiohttp.ClientSession) -> str | None:
        try:
            async with session.get(self._url, headers={"Host": self._host}) as answer:
                text = await answer.text()
                known = answer.status == 200 and text in self._contents
                return None if known else f"answered {answer.status} {text[:80]!r}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"failed: {error!r}"

    def failures(self) -> list[str]:
        """What was not one of the contents; that nobody answers is forgiven while the service is down."""
        return [
            f"{words} at {began:.3f}, down {self.down}"
            for began, ended, words in self._odd
            if words.startswith("answered") or not any(ended >= at and began <= until for at, until in self.down)
        ]


class Crew:
    """Maintainers who promote and roll back, each command one that has to succeed unless two are written at once."""

    def __init__(self, home: House, books: Books, pulls: dict[int, str]) -> None:
        self._home, self._books, self._pulls = home, books, pulls
        self.written: list[int] = []  # comments
        self.last: list[int] = []

    async def write(self, chance: random.Random) -> None:
        """One command, or a promotion and at once the way back."""
        serving, held = self._books.serving()["artifact"], self._books.held()
        free = [number for number in self._pulls if self._books.artifact(number) not in (serving, held)]
        number = chance.choice(free)
        promote, back = (number, "/promote production"), (number, "/rollback production --reason=storm")
        kinds: tuple[tuple[tuple[int, str], ...], ...] = ((promote,),)
        if self._books.former():
            kinds += ((back,), (promote, back))
        self.last = [
            await self._home.github.comment(self._home.repo, number, "mia", words)
            for number, words in chance.choices(kinds, (3, 3, 1)[: len(kinds)])[0]
        ]
        self.written += self.last

    async def ended(self) -> None:
        """Wait until every comment has its last reaction; a command by itself must have been done."""

        async def look() -> bool | None:
            return True if self.answered() else None

        await eventually(look, PATIENCE)
        refused = [one for one in self.last if "-1" in self._given(one)]
        assert len(self.last) > 1 or not refused, self._home.comments(1)

    def answered(self) -> bool:
        return all({"rocket", "-1"} & self._given(one) for one in self.last)

    def done(self, comment: int) -> bool:
        return "rocket" in self._given(comment)

    def _given(self, comment: int) -> set[str]:
        return {one.content for one in self._home.github.hub.repo(self._home.repo).comments[comment].reactions}


class Eye:
    """Compares the commands, the books, the processes, GitHub and what production answers."""

    def __init__(self, home: House, books: Books, crew: Crew, pulls: dict[int, str]) -> None:
        self._home, self._books, self._crew, self._pulls = home, books, crew, pulls

    async def problems(self) -> list[str]:
        """What is not as it has to be when all work is done."""
        found = [*self._unfinished(), *self._commands(), *self._generations(), *self._left(), *self._github()]
        serving = self._books.serving()
        wanted = self._pulls[serving["number"]]
        text = (await self._home.visit(MAIN)).text
        return found + ([f"production answers {text!r}, not {wanted!r}"] if text != wanted else [])

    def _unfinished(self) -> list[str]:
        query = (
            "SELECT event, state, error FROM delivery WHERE state <> 'done' AND state <> 'superseded' AND run_at < ?"
        )
        found = [f"delivery {dict(row)}" for row in self._books.rows(query, time.time())]
        found += [
            f"release {row['id']} has not ended"
            for row in self._books.rows("SELECT id FROM release WHERE state = 'releasing'")
        ]
        claim = self._books.environment()["lease_claim"]
        return found + ([f"{claim} holds the lease"] if claim else [])

    def _commands(self) -> list[str]:
        lines = [one["delivery"] for one in self._books.lines()]
        found = []
        for comment in self._crew.written:
            guid, due = f"command:{comment}", int(self._crew.done(comment))
            served = self._books.rows("SELECT id FROM release WHERE delivery = ? AND generation IS NOT NULL", guid)
            if (len(served), lines.count(guid)) != (due, due):
                found.append(f"{guid}: {len(served)} releases, {lines.count(guid)} lines, not {due}")
        return found

    def _generations(self) -> list[str]:
        """Each switch counts one, and only a command switches: the first promotion, then ours."""
        rows = self._books.rows("SELECT generation FROM release WHERE generation IS NOT NULL ORDER BY generation")
        due = sum(self._crew.done(comment) for comment in self._crew.written)
        counted, last = [row["generation"] for row in rows], self._books.environment()["generation"]
        return [] if counted == list(range(1, due + 1)) and last == due else [f"generations {counted}, not 1 to {due}"]

    def _left(self) -> list[str]:
        """What runs or lies there has a row, and what has a row runs."""
        rows = self._books.rows(f"SELECT instance FROM deployment WHERE state IN {HOLDING}")
        rows += self._books.rows("SELECT instance FROM release")
        known = {one["deployment"] for row in rows if (one := json.loads(row["instance"] or "null"))}
        home = self._home.settings.home
        folders = {path.name for path in (home / "instances").glob("*")}
        prefix = (home / "id").read_text().strip() + "/"
        running = {mark.removeprefix(prefix) for mark in marks().values() if mark.startswith(prefix)}
        found = [f"{one} runs or lies there and no row knows it" for one in (folders | running) - known]
        return found + [f"{one} should run" for one in known - (folders & running)]

    def _github(self) -> list[str]:
        live = [one for one in self._home.remote() if one.environment == "production" and one.state != "inactive"]
        told, sha = [(one.sha, one.state) for one in live], self._books.serving()["sha"]
        return [] if told == [(sha, "success")] else [f"GitHub's Deployments say {told}, not {sha}"]

    def story(self) -> list[str]:
        """The releases and the deliveries, for whoever has to find out what went wrong."""
        rows = self._books.rows("SELECT * FROM release ORDER BY started_at")
        rows += self._books.rows("SELECT * FROM environment")
        return [str({key: value for key, value in dict(row).items() if key != "plan"}) for row in rows]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with stage(tmp_path) as one:
        one.github.user("mia")
        one.github.grant(one.repo, "mia", "maintain")
        yield one


async def test_kills_amid_promotions_and_rollbacks_lose_and_double_nothing(home: House, tmp_path: Path) -> None:
    seed = os.environ.get("SLIPWAY_CRASH_SEED") or str(random.randrange(10**6))
    print(f"SLIPWAY_CRASH_SEED={seed}")
    victim, books = Victim(home, tmp_path / "slipway.log"), Books(home)
    await victim.start()
    try:
        await victim.ready()
        pulls = {await proposed(home, app(word), word): f"hello {word}" for word in ("one", "two", "six")}
        crew = Crew(home, books, pulls)
        eye, lookout = Eye(home, books, crew, pulls), Lookout(home, set(pulls.values()))
        await _first(home, crew, next(iter(pulls)))
        await _all_right(eye, victim, "the start")
        looking = asyncio.create_task(lookout.run())
        number = 0
        while len(lookout.down) < KILLS:
            await _round(home, victim, crew, books, lookout, random.Random(f"{seed}:{number}"))
            await _all_right(eye, victim, f"round {number} of seed {seed}")
            number += 1
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        print(f"{len(lookout.down)} kills, {lookout.amid} amid a command, {len(lookout.good)} answers")
        assert lookout.amid > 0
        assert lookout.failures() == []
        for (_, up), (down, _) in zip(lookout.down, lookout.down[1:], strict=False):
            assert down - up < LATEST_AGAIN or any(up < at < down for at in lookout.good)
        await _verified(home)
        for pull in pulls:
            await home.github.close_pull(home.repo, pull)
        await home.github.settled()
    finally:
        await victim.end(signal.SIGTERM)
    assert "Traceback" not in victim.words()


async def _first(home: House, crew: Crew, number: int) -> None:
    crew.last = [await home.github.comment(home.repo, number, "mia", "/promote production")]
    crew.written += crew.last
    await crew.ended()


async def _round(
    home: House, victim: Victim, crew: Crew, books: Books, lookout: Lookout, chance: random.Random
) -> None:
    generation = books.environment()["generation"]
    moment = chance.choice(("any", "any", "begun", "switched"))
    await crew.write(chance)
    if moment == "any":
        await asyncio.sleep(chance.uniform(0, LATEST_KILL))
    else:
        await _seen(lambda: books.begun() if moment == "begun" else books.environment()["generation"] > generation)
        await asyncio.sleep(chance.uniform(0, 0.1))
    lookout.amid += not crew.answered()
    await _kill(victim, lookout)
    if chance.random() < 0.3:  # while it goes on with what was interrupted
        await asyncio.sleep(chance.uniform(0, LATEST_AGAIN))
        await _kill(victim, lookout)
    await _press_redeliver(home)
    await crew.ended()


async def _seen(look: Any) -> None:
    """Wait until the books say so, for a while: the moment may have gone by unseen."""
    until = time.monotonic() + 1.0
    while not look() and time.monotonic() < until:
        await asyncio.sleep(0.002)


async def _kill(victim: Victim, lookout: Lookout) -> None:
    began = time.monotonic()
    await victim.end(signal.SIGKILL)
    await victim.start()
    await victim.ready()
    lookout.down.append((began, time.monotonic()))


async def _press_redeliver(home: House) -> None:
    """Send again what was not acknowledged."""
    while True:
        await home.github.settled()
        taken = {one.guid for one in home.github.deliveries if one.status == "OK"}
        lost = {one.guid: one.id for one in home.github.deliveries if one.guid not in taken}
        if not lost:
            return
        for ident in lost.values():
            home.github.hooks.redeliver(ident)


async def _all_right(eye: Eye, victim: Victim, when: str) -> None:
    until = time.monotonic() + PATIENCE
    while problems := await eye.problems():
        if time.monotonic() > until:
            pytest.fail("\n".join([f"After {when}:", *problems, "", *eye.story(), "", victim.words()]), pytrace=False)
        await asyncio.sleep(0.1)


async def _verified(home: House) -> None:
    """The books are what was written, say those who check them."""
    checking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "audit", "verify"),
        env={"SLIPWAY_HOME": str(home.settings.home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await checking.communicate())[0].decode()
    assert checking.returncode == 0, said
