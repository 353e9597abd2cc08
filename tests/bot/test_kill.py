"""kill -9 at any moment: nothing that was acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Self

import aiohttp
import pytest

from tests.bot.door import headers
from tests.sizes import soak

KILLS = soak(20, 6)
AT_ONCE = 20  # deliveries per kill
LANES = 6
REDELIVERED = 0.15  # of them are sent again although they were acknowledged


class Victim:
    """The process that is killed and started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: asyncio.subprocess.Process | None = None
        self.up = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.kill()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bot.killed", self._home, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout
        port = int(await self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{port}/webhook"
        self.up.set()

    async def kill(self) -> None:
        assert self._process
        self.up.clear()
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


class Sender:
    """Sends until it has an acknowledgement, as somebody who presses Redeliver would."""

    def __init__(self, victim: Victim, client: aiohttp.ClientSession, chance: random.Random) -> None:
        self._victim, self._client, self._chance = victim, client, chance
        self.acknowledged: list[str] = []
        self.sent_again = 0

    async def send(self, guid: str, lane: int) -> None:
        body = json.dumps({"repository": {"id": lane}, "guid": guid}).encode()
        while not await self._try(body, guid):
            self.sent_again += 1
        self.acknowledged.append(guid)
        if self._chance.random() < REDELIVERED:
            await self._try(body, guid)

    async def _try(self, body: bytes, guid: str) -> bool:
        await self._victim.up.wait()
        try:
            async with self._client.post(self._victim.url, data=body, headers=headers(body, guid=guid)) as answer:
                assert answer.status in (200, 202)
                return True
        except aiohttp.ClientError:
            return False


@pytest.mark.slow
async def test_a_killed_service_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(2026)
    async with Victim(tmp_path) as victim, aiohttp.ClientSession() as client, asyncio.TaskGroup() as sending:
        sender = Sender(victim, client, chance)
        for kill in range(KILLS):
            for number in range(AT_ONCE):
                sending.create_task(sender.send(f"{kill}-{number}", 1 + chance.randrange(LANES)))
            await asyncio.sleep(chance.uniform(0, 0.3))  # the moment is what is tried, not waited for
            await victim.kill()
            await victim.start()
    async with Victim(tmp_path):
        await _all_done(tmp_path)

    rows, tally, journal = _books(tmp_path)
    assert len(sender.acknowledged) == KILLS * AT_ONCE
    assert {guid for guid, _, _ in rows} == set(sender.acknowledged)
    assert {state for _, _, state in rows} == {"done"}
    assert set(Counter(guid for guid, _ in tally).values()) == {1}
    assert len(tally) == len(rows)
    for lane in range(1, LANES + 1):
        assert [guid for guid, of in tally if of == str(lane)] == [guid for guid, of, _ in rows if of == str(lane)]
    _no_overlap(journal)
    begun = Counter(guid for _, what, _, guid in journal if what == "begin")
    print(f"sent again {sender.sent_again}, begun again {sum(begun.values()) - len(rows)}")


async def _all_done(home: Path) -> None:
    """The file is looked at from outside; nothing in the service is made for this test."""
    async with asyncio.timeout(60):
        while any(state in ("queued", "running") for _, _, state in _books(home)[0]):
            await asyncio.sleep(0.1)


def _books(home: Path) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]], list[list[str]]]:
    raw = sqlite3.connect(home / "slipway.db")
    rows = raw.execute("SELECT guid, key, state FROM delivery ORDER BY id").fetchall()
    tally = raw.execute("SELECT guid, lane FROM tally ORDER BY seq").fetchall()
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    raw.close()
    return rows, tally, [line.split() for line in (home / "journal").read_text().splitlines()]


def _no_overlap(journal: list[list[str]]) -> None:
    """In one life of the process a lane's next begins after its last has ended."""
    under_way: dict[tuple[str, str], str] = {}
    for life, what, lane, guid in journal:
        if what == "begin":
            assert (life, lane) not in under_way
            under_way[life, lane] = guid
        else:
            assert under_way.pop((life, lane)) == guid
