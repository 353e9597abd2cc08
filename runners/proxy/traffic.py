"""Who is being served right now, when it last was, and what was counted of it; all by deployment."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections import Counter
from collections.abc import Callable
from time import perf_counter

from runners.base import LATENCY, Traffic

# A client that left is noticed up to a second late (upstream.LOOK_SECONDS).  One that surely waited another says that
# the application is slow; one that waited less says nothing: people click on.
LATE_SECONDS = 1.0
PATIENT_SECONDS = 1.0


class _Counts:
    """Traffic while it grows."""

    __slots__ = ("bytes_out", "failures", "latency", "requests")

    def __init__(self) -> None:
        self.requests = self.failures = self.bytes_out = 0
        self.latency = [0] * (len(LATENCY) + 1)

    def frozen(self) -> Traffic:
        return Traffic(self.requests, self.failures, self.bytes_out, tuple(self.latency))


class Exchange:
    """One request under way; a context manager around it.  It counts once, at the first word of its end."""

    __slots__ = ("_asked", "_counted", "_deployment", "_exchanges")

    def __init__(self, exchanges: Exchanges, deployment: str) -> None:
        self._exchanges, self._deployment, self._counted = exchanges, deployment, False
        self._asked: float | None = perf_counter()

    def __enter__(self) -> Exchange:
        self._exchanges.begin(self._deployment)
        return self

    def __exit__(self, *_: object) -> None:
        self._exchanges.end(self._deployment)

    def sending(self) -> None:
        """The client has yet to send the body, and may take its time."""
        self._asked = None

    def asked(self) -> None:
        """All of the request is here: from now on it is the application that takes its time."""
        self._asked = perf_counter()

    def head(self, status: int) -> None:
        """The application began to answer."""
        seconds = None if self._asked is None else perf_counter() - self._asked
        self._count(status >= 500, seconds)

    def file(self) -> None:
        """A file is being sent: how long that takes is the client's doing."""
        self._count(failed=False)

    def failed(self) -> None:
        """The application did not answer."""
        self._count(failed=True)

    def left(self) -> None:
        """The client gave up before there was an answer: had it stayed, it would have waited longer still."""
        waited = 0.0 if self._asked is None else perf_counter() - self._asked - LATE_SECONDS
        if waited >= PATIENT_SECONDS:
            self._count(failed=False, seconds=waited)

    def passes(self) -> None:
        """Nothing that says something of the application: an upgrade."""
        self._counted = True

    def sent(self, number: int) -> None:
        """So many bytes more went to the client."""
        self._exchanges.counts(self._deployment).bytes_out += number

    def _count(self, failed: bool, seconds: float | None = None) -> None:
        if self._counted:
            return
        self._counted = True
        counts = self._exchanges.counts(self._deployment)
        counts.requests += 1
        counts.failures += failed
        if seconds is not None:
            counts.latency[bisect.bisect_left(LATENCY, seconds)] += 1


class Exchanges:
    """All of them.  Lives on one event loop; every number is kept in memory only, until it is asked for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._empty: dict[str, asyncio.Event] = {}
        self._seen: dict[str, float] = {}
        self._counts: dict[str, _Counts] = {}

    def exchange(self, deployment: str) -> Exchange:
        """Count one request for as long as the block runs."""
        return Exchange(self, deployment)

    def begin(self, deployment: str) -> None:
        self._open[deployment] += 1

    def end(self, deployment: str) -> None:
        self._seen[deployment] = self._clock()
        self._open[deployment] -= 1
        if not self._open[deployment]:
            del self._open[deployment]
            if event := self._empty.pop(deployment, None):
                event.set()

    def counts(self, deployment: str) -> _Counts:
        """Where a request counts; not to be kept, because it may outlive what was counted when it began."""
        found = self._counts.get(deployment)
        if found is None:
            found = self._counts[deployment] = _Counts()
        return found

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

    def traffic(self) -> dict[str, Traffic]:
        """What was counted since the last call.  So nothing is kept of what is visited no more."""
        counted, self._counts = self._counts, {}
        return {deployment: counts.frozen() for deployment, counts in counted.items()}
