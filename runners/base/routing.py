"""Where a hostname leads, and what was counted of those who went there."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

from runners.base.record import Record


@dataclasses.dataclass(frozen=True, slots=True)
class Target(Record):
    """Where a hostname leads: to an instance, a directory, several of these, or a page about what is going on."""

    kind: Literal["instance", "static", "page", "several"]
    deployment: str
    host: str = ""  # instance
    port: int = 0
    path: str = ""  # static: the directory
    fallback: bool = False
    asleep: bool = False  # instance or page: the next request wakes it
    state: str = ""  # page: building, failed, closed, ...
    title: str = ""
    lines: tuple[str, ...] = ()  # page: what happened so far
    log: str = ""  # page: path of the log file whose end is shown
    robots: bool = False  # False: tell search engines to stay away
    mounts: tuple[Mount, ...] = ()  # several: the one whose path is the longest that fits

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        return cls(**{**values, "mounts": tuple(Mount.from_json(one) for one in raw.get("mounts", ()))})


@dataclasses.dataclass(frozen=True, slots=True)
class Mount(Record):
    """One of several services behind a hostname."""

    path: str  # "/" or "/api": whole segments, no slash at the end
    target: Target  # an instance or a directory, of the same deployment
    strip: bool = False  # what is asked of it does not begin with `path`

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(str(raw["path"]), Target.from_json(raw["target"]), bool(raw.get("strip")))


# Upper bounds, in seconds, of the buckets of Traffic.latency; each is 1.3 to 1.7 times the one before.  One more
# bucket takes what was slower.
LATENCY = tuple(
    round(step * decade, 6) for decade in (0.001, 0.01, 0.1, 1.0, 10.0) for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Traffic(Record):
    """What a router counted for one deployment; sums and differences of it are Traffic too.

    A request counts when the application answered it, or should have: pages of our own, upgrades (WebSockets), broken
    requests and clients that left at once do not."""

    requests: int = 0
    failures: int = 0  # of these: answered with 5xx, or not at all
    bytes_out: int = 0  # of bodies and WebSockets, towards clients
    latency: tuple[int, ...] = ()  # requests by their time to the response head; () is nothing but zeros

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        return cls(**{**values, "latency": tuple(raw.get("latency", ()))})

    def __add__(self, other: Traffic) -> Traffic:
        return self._with(other, 1)

    def __sub__(self, other: Traffic) -> Traffic:
        return self._with(other, -1)

    @property
    def timed(self) -> int:
        """Requests with a known time to the response head."""
        return sum(self.latency)

    def slower(self, seconds: float) -> int:
        """Requests that took longer; `seconds` counts as the next bound of LATENCY above it."""
        return sum(self.latency[bisect.bisect_left(LATENCY, seconds) + 1 :])

    def quantile(self, share: float) -> float | None:
        """The bound of LATENCY that this share of requests stayed within, in seconds; None without any.

        What was slower than the last bound counts as that bound."""
        seen, wanted = 0, share * self.timed
        for bound, number in zip((*LATENCY, LATENCY[-1]), self.latency, strict=False):
            seen += number
            if seen and seen >= wanted:
                return bound
        return None

    def _with(self, other: Traffic, sign: int) -> Traffic:
        pairs = itertools.zip_longest(self.latency, other.latency, fillvalue=0)
        return Traffic(
            self.requests + sign * other.requests,
            self.failures + sign * other.failures,
            self.bytes_out + sign * other.bytes_out,
            tuple(mine + sign * theirs for mine, theirs in pairs),
        )


class Router(Protocol):
    """What sends a hostname's requests somewhere."""

    async def point(self, host: str, target: Target) -> None:
        """The only switch: requests that begin after it returns reach `target`; older ones end where they are."""

    async def drop(self, host: str) -> None: ...

    async def drained(self, deployment: str, seconds: float) -> bool:
        """Wait until no request to that deployment is under way; False when time ran out."""

    def traffic(self) -> Mapping[str, Traffic]:
        """What was counted since the previous call, by deployment; for one reader, who adds it up."""
