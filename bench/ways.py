"""The arithmetic of promoting and going back.  Times are seconds inside, milliseconds when shown."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from bench.figures import Spread

WORST_BAR = 2.0  # seconds: no rollback to an instance that is warm may take longer
STEPS = ("accepted", "claimed", "allowed", "started", "answering")  # what has happened when each step ends


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One command on one backend: comment sent → the other content answers; beside it the floor and today's way."""

    name: str  # promote, rollback (warm), rollback (stopped)
    runner: str
    ours: Spread
    books: Spread | None = None  # the transaction of one switch alone
    router: Spread | None = None  # the router pointed at what runs, until it answers
    today: Spread | None = None  # the former tag, until it answers
    steps: Mapping[str, Spread] = dataclasses.field(default_factory=dict)

    @property
    def floor(self) -> float | None:
        """One atomic switch: what is written, then what is pointed."""
        return self.books.median + self.router.median if self.books and self.router else None

    @property
    def over_floor(self) -> float | None:
        """How many times the floor we need."""
        return self.ours.median / self.floor if self.floor else None

    @property
    def gain(self) -> float | None:
        """How many times longer today's way takes."""
        return self.today.median / self.ours.median if self.today else None

    def as_json(self) -> dict[str, Any]:
        """Everything, in milliseconds."""
        parts = {name: getattr(self, name) for name in ("ours", "books", "router", "today")}
        return {
            "command": self.name,
            "runner": self.runner,
            **{name: part.as_json() if part else None for name, part in parts.items()},
            "floor": round(self.floor * 1000, 2) if self.floor else None,
            "over_floor": round(self.over_floor, 3) if self.over_floor else None,
            "gain": round(self.gain, 3) if self.gain else None,
            "steps": {name: spread.as_json() for name, spread in self.steps.items()},
        }


def table(ways: Iterable[Way], today: str) -> Table:
    """Milliseconds; `today` says what people do instead."""
    made = Table(title=f"Comment sent → the other content answers (ms); today: {today}")
    for name in ("command", "runner"):
        made.add_column(name)
    for name in ("median", "worst", "books", "router", "today", "ours ÷ floor", "today ÷ ours"):
        made.add_column(name, justify="right")
    for way in ways:
        made.add_row(*cells(way))
    return made


def cells(way: Way) -> tuple[str, ...]:
    """One row as it is shown; – where there is nothing to compare with."""
    ours = (f"{way.ours.median * 1000:.0f}", f"{way.ours.high * 1000:.0f}")
    floor = tuple(f"{part.median * 1000:.1f}" if part else "–" for part in (way.books, way.router))
    today = f"{way.today.median * 1000:.0f}" if way.today else "–"
    ratios = (f"{way.over_floor:.1f}" if way.over_floor else "–", f"{way.gain:.1f}" if way.gain else "–")
    return (way.name, way.runner, *ours, *floor, today, *ratios)


def steps_table(ways: Iterable[Way]) -> Table:
    """Where our own time went, by the books: medians of each step's length, in milliseconds."""
    made = Table(title="Where our time went (ms, medians)")
    for name in ("command", "runner"):
        made.add_column(name)
    for name in STEPS:
        made.add_column(f"→ {name}", justify="right")
    for way in (each for each in ways if each.steps):
        lengths = (way.steps.get(name) for name in STEPS)
        made.add_row(way.name, way.runner, *(f"{one.median * 1000:.0f}" if one else "–" for one in lengths))
    return made


def lengths(marks: Sequence[float]) -> dict[str, float]:
    """The steps between these moments: when the comment was sent, and when each step had ended."""
    return {name: after - before for name, (before, after) in zip(STEPS, itertools.pairwise(marks), strict=True)}


def bars(ways: Iterable[Way]) -> list[str]:
    """Sentences: whether every warm rollback stayed below what is promised."""
    warm = [way for way in ways if way.name == "rollback (warm)"]
    return [
        f"{'✓' if way.ours.high <= WORST_BAR else '✗'} {way.name} on {way.runner}: "
        f"at worst {way.ours.high:.2f} s (at most {WORST_BAR:g} s)"
        for way in warm
    ]
