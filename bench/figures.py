"""The arithmetic of a measurement: medians, ratios, the table.  Times are seconds inside, milliseconds when shown."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from rich.table import Table

FLOOR_BAR = 1.5  # code-only on Docker: at most so many times what a container and a fetch cost anyway
TODAY_BAR = 3.0  # code-only on Docker: at least so many times faster than what people do today


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """The median of some times, and how far they lay apart."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self | None:
        """None when nothing was measured."""
        known = sorted(seconds)
        return cls(statistics.median(known), known[0], known[-1], len(known)) if known else None

    def as_json(self) -> dict[str, float]:
        """In milliseconds."""
        return {"median": _ms(self.median), "low": _ms(self.low), "high": _ms(self.high), "count": self.count}

    def __str__(self) -> str:
        return f"{self.median * 1000:.0f} ({self.low * 1000:.0f}–{self.high * 1000:.0f})"


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One app, one kind of change, one backend: ours, the floor under everybody, and what people do today."""

    app: str
    case: str
    runner: str
    ours: Spread
    fetch: Spread | None = None  # the commit alone: fetched into a mirror that is there, and checked out
    run: Spread | None = None  # the finished program alone: started until it answers
    today: Spread | None = None  # clone, docker build, docker run, until it answers
    compose: Spread | None = None  # the same by docker compose up --build
    steps: Mapping[str, Spread] = dataclasses.field(default_factory=dict)  # where our time went

    @property
    def floor(self) -> float | None:
        """Fetch and start, one after the other; what a static site has no start of."""
        known = [part.median for part in (self.fetch, self.run) if part]
        return sum(known) if known else None

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
        parts = {name: getattr(self, name) for name in ("ours", "fetch", "run", "today", "compose")}
        return {
            "app": self.app,
            "case": self.case,
            "runner": self.runner,
            **{name: part.as_json() if part else None for name, part in parts.items()},
            "floor": _ms(self.floor) if self.floor else None,
            "over_floor": _rounded(self.over_floor),
            "gain": _rounded(self.gain),
            "steps": {name: spread.as_json() for name, spread in self.steps.items()},
        }


def table(rows: Sequence[Row]) -> Table:
    """Milliseconds, medians; (lowest–highest) beside ours and today's."""
    made = Table(title="Webhook sent → the new content answers (ms, median, lowest–highest)")
    for name in ("app", "change", "runner"):
        made.add_column(name)
    for name in ("ours", "fetch", "start", "today", "compose", "ours ÷ floor", "today ÷ ours"):
        made.add_column(name, justify="right")
    before = ""
    for row in rows:
        if before not in ("", row.app):
            made.add_section()
        before = row.app
        made.add_row(*cells(row))
    return made


def cells(row: Row) -> tuple[str, ...]:
    """One row as it is shown; – where there is nothing to compare with."""
    return (
        *(row.app, row.case, row.runner, str(row.ours)),
        *(_short(row.fetch), _short(row.run), str(row.today) if row.today else "–", _short(row.compose)),
        *(_times(row.over_floor), _times(row.gain)),
    )


def steps_table(rows: Sequence[Row]) -> Table:
    """Where our own time went, by the books of the deployment: medians of each step's length, in milliseconds."""
    names = list(dict.fromkeys(name for row in rows for name in row.steps))
    made = Table(title="Where our time went (ms, medians)")
    for name in ("app", "change", "runner"):
        made.add_column(name)
    for name in names:
        made.add_column(name, justify="right")
    for row in (each for each in rows if each.steps):
        made.add_row(row.app, row.case, row.runner, *(_short(row.steps.get(name)) for name in names))
    return made


def bars(rows: Iterable[Row]) -> list[str]:
    """Sentences: which of our two bars the code-only changes on Docker reach."""
    told = []
    for row in rows:
        if (row.case, row.runner) != ("code", "docker"):
            continue
        if row.over_floor is not None and row.run is not None:
            told.append(_bar(row, row.over_floor, row.over_floor <= FLOOR_BAR, "× the floor", f"at most {FLOOR_BAR:g}"))
        if row.gain is not None:
            told.append(_bar(row, row.gain, row.gain >= TODAY_BAR, "× faster than today", f"at least {TODAY_BAR:g}"))
    return told


def _bar(row: Row, reached: float, well: bool, unit: str, asked: str) -> str:
    return f"{'✓' if well else '✗'} {row.app}: {reached:.2f} {unit} ({asked})"


def _short(spread: Spread | None) -> str:
    return f"{spread.median * 1000:.0f}" if spread else "–"


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f}" if ratio is not None else "–"


def _rounded(ratio: float | None) -> float | None:
    return round(ratio, 3) if ratio is not None else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
