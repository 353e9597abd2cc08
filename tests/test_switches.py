"""No request fails because of a switch: fifty promotions and rollbacks under eight connections that never rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from bot.models import Stage
from tests.conftest import base_images
from tests.house import House, eventually, house
from tests.shipping import MAIN, ask, books, promote, proposed, rollback
from tests.sizes import soak

pytestmark = pytest.mark.slow
SWITCHES = soak(50, 15)
PAUSE = 0.02  # seconds between two requests of a connection: what is switched needs the processor too
# Starts as fast as Python does; answers at once or after a while, on connections that stay open.
APP = """\
import os, socket, threading, time
def talk(peer):
    with peer, peer.makefile("rb") as lines:
        while line := lines.readline():
            while lines.readline() not in (b"\\r\\n", b""):
                pass
            time.sleep(0.03 if b" /slow " in line else 0)
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhello one")
server = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
while True:
    threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
"""


def app(word: str) -> dict[str, str]:
    return {"Procfile": "web: python app.py\n", "app.py": APP.replace("hello one", f"hello {word}")}


class Visitor:
    """One connection: `keep` has all of its requests on one, else each opens its own."""

    def __init__(self, home: House, path: str, *, keep: bool) -> None:
        self._url, self._host = f"http://127.0.0.1:{home.settings.port}{path}", f"{MAIN}:{home.settings.port}"
        self.keep, self.opened = keep, 0
        self.phase = 0  # how many switches have ended
        self.asked: Counter[int] = Counter()  # requests, by the phase they began in
        self.seen: set[tuple[int, int, str]] = set()  # phase, status, content

    async def run(self) -> None:
        """Ask until cancelled."""
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._opened)
        connector = aiohttp.TCPConnector(limit=1, force_close=not self.keep)
        async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as session:
            while True:
                phase = self.phase
                self.seen.add((phase, *await self._ask(session)))
                self.asked[phase] += 1
                await asyncio.sleep(PAUSE)

    async def _ask(self, session: aiohttp.ClientSession) -> tuple[int, str]:
        try:
            async with session.get(self._url, headers={"Host": self._host}) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, repr(error)

    async def _opened(self, *_told: object) -> None:
        self.opened += 1


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


@pytest.fixture
async def docker_home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, SLIPWAY_RUNNER="docker", SLIPWAY_IMAGE=base_images()) as one:
        yield one


async def test_no_request_fails_through_many_switches(home: House) -> None:
    await _no_request_fails(home)


@pytest.mark.docker
async def test_no_request_fails_through_many_switches_of_containers(docker_home: House) -> None:
    await _no_request_fails(docker_home)


async def _no_request_fails(home: House) -> None:
    home.github.user("mia")
    home.github.grant(home.repo, "mia", "maintain")
    first, second = await proposed(home, app("one")), await proposed(home, app("two"), "other")
    assert (await promote(home, first)).done
    visitors = [Visitor(home, path, keep=keep) for path in ("/", "/slow") for keep in (True, False) for _ in range(2)]
    visiting = [asyncio.create_task(one.run()) for one in visitors]

    shown = ["hello one"]
    try:
        for phase in range(1, SWITCHES + 1):
            shown.append(await _switch(home, second, phase))
            await _asked_in(visitors, phase)
    finally:
        for task in visiting:
            task.cancel()
        await asyncio.gather(*visiting, return_exceptions=True)

    assert _unexpected(visitors, shown) == []
    assert len(visitors) == 8
    for one in visitors:
        assert set(one.asked) == set(range(SWITCHES + 1))
        assert one.opened == (1 if one.keep else pytest.approx(one.asked.total(), abs=1))
    env, rows = await books(home)
    assert (env.generation, len(rows)) == (SWITCHES + 1, SWITCHES + 1)
    assert [row.generation for row in rows] == list(range(1, SWITCHES + 2))
    assert Stage.FAILED not in {row.state for row in rows}


async def _switch(home: House, number: int, phase: int) -> str:
    """Forward, then back; what production has to show from then on."""
    assert home.service is not None
    if phase % 2:
        outcome, text = await promote(home, number), "hello two"
    else:
        outcome, text = await rollback(home, number), "hello one"
        assert (await home.service.releases.unhold(await ask(home, number))).done
    assert outcome.done, outcome
    return text


async def _asked_in(visitors: Sequence[Visitor], phase: int) -> None:
    """Wait until every connection has had an answer since the switch."""
    for one in visitors:
        one.phase = phase

    async def all_asked() -> bool | None:
        return True if all(one.asked[phase] for one in visitors) else None

    await eventually(all_asked)


def _unexpected(visitors: Sequence[Visitor], shown: Sequence[str]) -> list[SimpleNamespace]:
    """A request begun after a switch sees what that one brought, or, still under way, what the next one brings."""
    return [
        SimpleNamespace(phase=phase, status=status, text=text)
        for one in visitors
        for phase, status, text in sorted(one.seen)
        if status != 200 or text not in shown[phase : phase + 2]
    ]
