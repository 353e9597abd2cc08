"""A worker with handlers that do as they are told, and words for what a test waits for."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlmodel import Session, select

from bot.deliveries import Order
from bot.models import Delivery, Work
from bot.store import Store, deliveries
from bot.worker import Worker

GUIDS = itertools.count()
SOON = 20.0  # seconds after which a test has hung


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Handlers:
    """Notes who started and ended, and lets each delivery run until the test says so."""

    def __init__(self, *, wait: bool = False) -> None:
        self.wait = wait
        self.started: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.at_once = self.most = 0
        self.go = asyncio.Event()
        self.moved = asyncio.Condition()

    async def __call__(self, delivery: Delivery) -> None:
        await self._note(self.started, delivery.guid)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            if self.wait:
                await self.go.wait()
            await self._note(self.ended, delivery.guid)
        except asyncio.CancelledError:
            await self._note(self.cancelled, delivery.guid)
            raise
        finally:
            self.at_once -= 1

    async def _note(self, where: list[str], guid: str) -> None:
        where.append(guid)
        async with self.moved:
            self.moved.notify_all()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON), self.moved:
            await self.moved.wait_for(true)


async def put(store: Store, guid: str = "", key: str = "1#1", run_at: float = 0.0, **order: Any) -> str:
    guid = guid or f"g{next(GUIDS)}"
    assert await store.write(
        deliveries.accept, guid, "pull_request", {}, Order(key, **order), time.time(), run_at=run_at
    )
    return guid


async def refresh(store: Store, guid: str = "", **order: Any) -> str:
    return await put(store, guid, topic="1#1:refresh", action="synchronize", **order)


def rows(session: Session) -> dict[str, Delivery]:
    return {row.guid: row for row in session.exec(select(Delivery))}


async def settled(store: Store, **expected: Work) -> dict[str, Delivery]:
    """The rows, once those named are in those states."""
    async with asyncio.timeout(SOON):
        while True:
            changed = store.changed
            found = await store.read(rows)
            if all(found[guid].state == state for guid, state in expected.items()):
                return found
            await store.wait_changed(changed)


@asynccontextmanager
async def working(store: Store, dispatch: Callable[[Delivery], Awaitable[Any]], **how: Any) -> AsyncIterator[Worker]:
    worker = Worker(store, dispatch, **{"heavy": 2, **how})
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        async with asyncio.timeout(SOON):
            await worker.stop()
            await running
