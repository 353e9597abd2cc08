"""When what was just released counts as good, as bad, or as not to be told.  Pure.

A look becomes one word (`look`), and the words so far become a verdict (`verdict`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bot.models import Stage
from bot.policy.terms import AutoRollback
from runners.base import Traffic

OK = "ok"
UNKNOWN = "unknown"  # it could not be measured: our trouble, not the release's
PATIENCE = 2.0  # windows, after which what can't be measured is given up
P95 = 0.95  # the quantile of latency that is compared
NOBODY = Traffic()

Sample = Sequence[Any]  # (unix seconds, word), or (unix seconds, word, figures)


@dataclasses.dataclass(frozen=True, slots=True)
class Watch:
    """How a release is watched.  Times are seconds, shares between 0 and 1."""

    interval: float = 5.0
    fail_after: int = 3  # failing looks in a row
    min_samples: int = 5  # looks that measured something, for a verdict of "verified"
    window: float = 300.0
    stops: int = 2  # so often it may not stop: a crash loop.  Once may be chance
    traffic: bool = True  # False: what visitors met decides nothing
    min_requests: int = 20  # of the release and of the former; with fewer, one request is more than `failures`
    failures: float = 0.05  # share of failed requests; Argo Rollouts' guide asks for 95 % of success
    margin: float = 0.02  # by which the share must also be higher than the former's
    chance: float = 3.0  # standard errors by which they must differ; by chance, one pair of equals in 700 does
    slow: float = 0.5  # the least p95 that counts as slow; Flagger's own bound for request-duration
    slower: float = 3.0  # times the former's p95


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What one look found, before it is judged."""

    health: str  # "ok", "unknown" or what is wrong
    stops: int = 0  # how often it stopped since it serves
    now: Traffic | None = NOBODY  # since it serves; None: it could not be read
    last: Traffic = NOBODY  # the same at the look before
    before: Traffic = NOBODY  # the former's, in its last window

    def figures(self) -> dict[str, int]:
        """What is kept and shown of it."""
        stops = {"stops": self.stops} if self.stops else {}
        return {**stops, **(figures(self.now) if self.now is not None else {})}


def figures(traffic: Traffic) -> dict[str, int]:
    """Traffic for people and for the books, in whole numbers; nothing when nobody came."""
    if not traffic.requests:
        return {}
    p95 = traffic.quantile(P95)
    timed = {} if p95 is None else {"p95_ms": round(p95 * 1000)}
    return {"requests": traffic.requests, "failures": traffic.failures, **timed}


def look(watch: Watch, seen: Seen) -> str:
    """ "ok", "unknown", or what is wrong.

    Traffic says something only beside enough requests of the former, and only while people come: what the first
    visitors met is not held against a release for the rest of its window."""
    if seen.stops >= watch.stops:
        return f"crash loop: it stopped {seen.stops} times"
    if seen.health not in (OK, UNKNOWN) or not watch.traffic:
        return seen.health
    if seen.now is None:
        return UNKNOWN
    stale = False
    for each in (_failing(watch, seen), _slow(watch, seen)):
        if each is None or not _worse(watch, each):
            continue
        if each.since.of == 0:
            stale = True
        elif each.since.share > each.bound:
            return each.words
    return UNKNOWN if stale else seen.health


def verdict(watch: Watch, samples: Sequence[Sample], elapsed: float) -> Stage | None:
    """VERIFIED, FAILED, INCONCLUSIVE, or None: go on watching.  `elapsed` since it serves.

    Looks that measured nothing count for nothing: they neither fail a release nor verify it."""
    if crash_loop(watch, samples):
        return Stage.FAILED
    known = [one[1] for one in samples if one[1] != UNKNOWN]
    if len(known) >= watch.fail_after and OK not in known[-watch.fail_after :]:
        return Stage.FAILED
    if elapsed < watch.window:
        return None
    if len(known) < watch.min_samples:
        return Stage.INCONCLUSIVE
    if known[-1] == OK:
        return Stage.VERIFIED
    return Stage.INCONCLUSIVE if elapsed >= PATIENCE * watch.window else None


def crash_loop(watch: Watch, samples: Sequence[Sample]) -> bool:
    return bool(samples) and figures_of(samples[-1]).get("stops", 0) >= watch.stops


def reason(watch: Watch, samples: Sequence[Sample]) -> str:
    """Why it failed, in words that follow its name."""
    words = [str(one[1]) for one in samples if one[1] not in (OK, UNKNOWN)]
    last = words[-1] if words else "it failed"
    return f"is in a {last}" if crash_loop(watch, samples) else f"failed {watch.fail_after} looks in a row: {last}"


def figures_of(sample: Sample) -> Mapping[str, Any]:
    """What was counted at that look; looks of older versions have nothing."""
    return sample[2] if len(sample) > 2 and isinstance(sample[2], Mapping) else {}


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """So many of so many."""

    number: int
    of: int

    @property
    def share(self) -> float:
        return self.number / self.of if self.of else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Compared:
    """Bad requests so far, since the last look, and of the former."""

    now: _Part
    since: _Part
    before: _Part
    bound: float  # of the share
    words: str


def _failing(watch: Watch, seen: Seen) -> _Compared:
    now, since, before = (_Part(one.failures, one.requests) for one in _compared(seen))
    words = f"{now.number} of {now.of} requests failed ({_percent(now.share)}), {_percent(before.share)} before"
    return _Compared(now, since, before, max(watch.failures, before.share + watch.margin), words)


def _slow(watch: Watch, seen: Seen) -> _Compared | None:
    """That p95 lies above a bound is that more than 5 % of the requests do: so chance can be reckoned with."""
    usual, p95 = seen.before.quantile(P95), (seen.now or NOBODY).quantile(P95)
    if usual is None or p95 is None:
        return None
    bound = max(watch.slow, watch.slower * usual)
    if p95 <= bound:
        return None
    now, since, before = (_Part(one.slower(bound), one.timed) for one in _compared(seen))
    return _Compared(now, since, before, 1 - P95, f"slow: p95 {p95:g} s, {usual:g} s before")


def _compared(seen: Seen) -> tuple[Traffic, Traffic, Traffic]:
    now = seen.now or NOBODY
    return now, now - seen.last, seen.before


def _worse(watch: Watch, each: _Compared) -> bool:
    """By enough requests, by more than is usual, and by more than chance explains (two proportions, pooled)."""
    now, before = each.now, each.before
    if min(now.of, before.of) < watch.min_requests or now.share <= each.bound:
        return False
    pooled = (now.number + before.number) / (now.of + before.of)
    error = math.sqrt(pooled * (1 - pooled) * (1 / now.of + 1 / before.of))
    return now.share - before.share > watch.chance * error


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def left_to_people(auto: AutoRollback, age: float, lately: int) -> str | None:
    """Why the policy does not let a failed release be rolled back by itself; None: it does.

    `age`: seconds since it serves; `lately`: automatic rollbacks there within the hour."""
    if "failed" not in auto.on:
        return "The policy rolls nothing back by itself."
    if auto.max_age is not None and age > auto.max_age:
        return f"It failed more than {auto.max_age} s after it was released; the policy leaves that to people."
    if auto.max_per_hour is not None and lately >= auto.max_per_hour:
        return f"The policy lets {auto.max_per_hour} be rolled back by themselves within an hour, and {lately} were."
    return None
