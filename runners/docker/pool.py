"""Spares: berths made ahead, so that a changed commit only waits for its own boot.

After an instance is live, one spare of its shape is made; the next commit with the same dependencies takes it.  A
spare is used once, costs about 3 MB, and goes when nothing of its shape runs any more.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from runners.base import RunnerError
from runners.docker.berths import Berth, Berths, Shape
from runners.docker.engine import Engine
from runners.isolation import to_end

OLDEST = 30 * 60.0  # seconds a spare may wait
_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class _Spare:
    making: asyncio.Task[Berth]
    drop: asyncio.TimerHandle


class Pool:
    """At most one spare for each shape, and at most `most` in all: the longest unused goes first."""

    def __init__(self, engine: Engine, berths: Berths, most: int) -> None:
        self._engine, self._berths, self._most = engine, berths, most
        self._spares: dict[Shape, _Spare] = {}  # the longest unused first
        self._dropping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def take(self, shape: Shape, name: str) -> Berth | None:
        """A waiting berth under its new name, or None."""
        spare = self._spares.pop(shape, None)
        if spare is None:
            return None
        spare.drop.cancel()
        try:
            berth = await asyncio.shield(spare.making)
        except asyncio.CancelledError:
            self._drop(spare)
            raise
        except (RunnerError, OSError):
            return None
        try:
            if await self._berths.alive(berth):
                await to_end(self._berths.rename(berth, name))
                return berth
        except (RunnerError, OSError) as error:
            _log.info("a spare can't be used: %s", error)
        except BaseException:
            await to_end(self._berths.clear(berth))
            raise
        await to_end(self._berths.clear(berth))
        return None

    def refill(self, shape: Shape) -> None:
        """Have a spare of that shape, soon."""
        if self._closed or not self._most or shape.large:
            return
        spare = self._spares.pop(shape, None) or self._make(shape)
        self._spares[shape] = spare
        while len(self._spares) > self._most:
            self.drop(next(iter(self._spares)))

    def drop(self, shape: Shape) -> None:
        """Nothing of that shape runs any more, or the spare is too old."""
        spare = self._spares.pop(shape, None)
        if spare is not None:
            self._drop(spare)

    async def settle(self) -> None:
        """Wait for what is being made and dropped."""
        await asyncio.gather(*(spare.making for spare in self._spares.values()), return_exceptions=True)
        while self._dropping:
            await asyncio.gather(*self._dropping, return_exceptions=True)

    async def close(self) -> None:
        """Remove all spares, for good."""
        self._closed = True
        for shape in tuple(self._spares):
            self.drop(shape)
        await self.settle()

    def _make(self, shape: Shape) -> _Spare:
        making = asyncio.ensure_future(self._berths.make(shape, self._engine.new_name("spare"), "spare"))
        drop = asyncio.get_running_loop().call_later(OLDEST, self.drop, shape)
        return _Spare(making, drop)

    def _drop(self, spare: _Spare) -> None:
        spare.drop.cancel()
        task = asyncio.ensure_future(self._end(spare.making))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def _end(self, making: asyncio.Task[Berth]) -> None:
        making.cancel()
        await asyncio.wait([making])
        if making.cancelled() or making.exception():
            return
        try:
            await self._berths.clear(making.result())
        except RunnerError as error:
            _log.warning("a spare can't be removed: %s", error)
