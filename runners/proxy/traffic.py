"""Who is being served right now, when it last was, and how often it went wrong; all by deployment."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping


@dataclasses.dataclass(slots=True)
class Exchange:
    """One request under way."""

    status: int = 0  # what was answered; 0: nothing, the client left


class Traffic:
    """Counts requests.  Lives on one event loop; every number is kept in memory only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._empty: dict[str, asyncio.Event] = {}
        self._seen: dict[str, float] = {}
        self._counts: dict[str, tuple[int, int]] = {}

    @contextlib.contextmanager
    def exchange(self, deployment: str) -> Iterator[Exchange]:
        """Count one request for as long as the block runs."""
        self._open[deployment] += 1
        exchange = Exchange()
        try:
            yield exchange
        finally:
            self._end(deployment, exchange)

    def _end(self, deployment: str, exchange: Exchange) -> None:
        self._seen[deployment] = self._clock()
        requests, errors = self._counts.get(deployment, (0, 0))
        self._counts[deployment] = (requests + 1, errors + (exchange.status >= 500))
        self._open[deployment] -= 1
        if not self._open[deployment]:
            del self._open[deployment]
            if event := self._empty.pop(deployment, None):
                event.set()

    async def drained(self, deployment: str, seconds: float) -> bool:
        """Wait until nothing is under way to it; False when the seconds ran out first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open[deployment]:
                    await self._empty.setdefault(deployment, asyncio.Event()).wait()
        return not self._open[deployment]

    def activity(self) -> dict[str, float]:
        """When each deployment last served a request, since the last call.  What is under way is served now:
        somebody who holds a WebSocket open is there."""
        seen, self._seen = self._seen, {}
        return seen | dict.fromkeys(self._open, self._clock())

    @property
    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Requests, and how many of them were answered with 5xx, since the start."""
        return self._counts
