"""The router follows the database; visits are written down."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bot import web
from bot.models import Deployment
from bot.store import Store, rows, traffic
from bot.web import follow
from runners.base import Target, Traffic

ID = "0123456789abcdef"


class Board:
    """A router that writes down what it was told."""

    def __init__(self) -> None:
        self.shown: dict[str, Target] = {}
        self.told: list[str] = []
        self.moved = asyncio.Event()
        self.counted: dict[str, Traffic] = {}

    async def point(self, host: str, target: Target) -> None:
        self.shown[host] = target
        self._note(host)

    async def drop(self, host: str) -> None:
        self.shown.pop(host, None)
        self._note(host)

    async def drained(self, deployment: str, seconds: float) -> bool:
        return True

    def traffic(self) -> dict[str, Traffic]:
        counted, self.counted = self.counted, {}
        return counted

    def _note(self, host: str) -> None:
        self.told.append(host)
        self.moved.set()

    async def until(self, told: int) -> None:
        async with asyncio.timeout(20):
            while len(self.told) < told:
                self.moved.clear()
                await self.moved.wait()


async def test_routes_are_followed_also_when_another_process_writes_them(store: Store, url: str) -> None:
    target = Target("instance", ID, host="127.0.0.1", port=1)
    await store.write(rows.set_route, "a.localhost", ID, target.as_json())
    board = Board()
    following = asyncio.create_task(web.follow_routes(store, board))
    await board.until(1)
    other = Store.open(url)
    await other.write(rows.set_route, "b.localhost", ID, target.as_json())
    await other.write(rows.set_route, "a.localhost", ID, None)
    await board.until(3)
    assert {host: target.port for host, target in board.shown.items()} == {"b.localhost": 1}
    assert board.told == ["a.localhost", "b.localhost", "a.localhost"]
    following.cancel()
    other.close()


async def test_a_route_that_was_overtaken_is_not_shown(url: str) -> None:
    class Overtaken(Store):
        """A database in which somebody commits a newer route while the older one is on its way."""

        async def read(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
            result = await super().read(fn, *args, **kwargs)
            if [route.version for route in result] == [1]:
                await self.write(rows.set_route, "a.localhost", "new", Target("page", "new").as_json())
            return result

    store, board = Overtaken.open(url), Board()
    await store.write(rows.set_route, "a.localhost", "old", Target("page", "old").as_json())
    assert await web.show_routes(store, board) == 2
    assert board.told == ["a.localhost"]
    assert board.shown["a.localhost"].deployment == "new"
    store.close()


async def test_visits_are_written_down(store: Store) -> None:
    await store.write(lambda s: s.add(Deployment(id=ID, delivery="g", project_id=7, sha="", received_at=1e9)))
    visits = [{ID: 1e9 + 5}, {}, {ID: 1e9 + 9}]

    class Visited:
        def activity(self) -> dict[str, float]:
            return visits.pop(0) if visits else {}

    noting = asyncio.create_task(web.note_activity(store, Visited(), every=0.001))
    async with asyncio.timeout(20):
        while (await store.read(lambda session: session.get_one(Deployment, ID).active_at)) != 1e9 + 9:
            await store.wait_changed(store.changed, 0.05)
    noting.cancel()


async def test_what_was_counted_is_written_down_also_what_came_last(store: Store) -> None:
    board = Board()
    board.counted = {ID: Traffic(requests=2, failures=1)}
    noting = asyncio.create_task(web.note_traffic(store, board, every=0.01))
    async with asyncio.timeout(20):
        while (await store.read(traffic.of, ID)).requests < 2:
            await asyncio.sleep(0.01)
    board.counted = {ID: Traffic(requests=1)}
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)
    assert (await store.read(traffic.of, ID)).requests == 3


async def test_what_could_not_be_written_down_is_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    board = Board()
    board.counted = {ID: Traffic(requests=2)}
    with monkeypatch.context() as broken:
        broken.setattr(traffic, "add", full)
        left = await follow._note_traffic(store, board, {})
    board.counted = {ID: Traffic(requests=3)}
    assert await follow._note_traffic(store, board, left) == {}
    assert (await store.read(traffic.of, ID)).requests == 5
