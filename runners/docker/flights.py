"""Work that several wait for is done once, and goes on while anybody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from runners.base import Log

T = TypeVar("T")


class _Flight(Generic[T]):
    """A task, and the logs of all who wait for it."""

    def __init__(self, make: Callable[[Log], Coroutine[Any, Any, T]]) -> None:
        self.logs: list[Log] = []
        self.task = asyncio.ensure_future(make(self))

    def write(self, text: str) -> None:
        for log in tuple(self.logs):
            log.write(text)


class Flights(Generic[T]):
    """Keys and the work under way for them."""

    def __init__(self) -> None:
        self._under_way: dict[str, _Flight[T]] = {}

    async def join(self, key: str, make: Callable[[Log], Coroutine[Any, Any, T]], log: Log) -> T:
        """Wait for the work of that key, begun here when nobody did.  The last to be cancelled cancels it too."""
        flight = self._under_way.get(key)
        if flight is None:
            flight = self._under_way[key] = _Flight(make)
        flight.logs.append(log)
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.logs.remove(log)
            if not flight.logs:
                if self._under_way.get(key) is flight:
                    del self._under_way[key]
                await _end(flight.task)


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel and see it through, even when cancelled once more."""
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
    if not task.cancelled():
        task.exception()
