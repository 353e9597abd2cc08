"""Who bears a cost, how much they may bear, and how they stand.  Amounts are millionths of the currency."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from bot.budgets.periods import Period, Span

OnLimit = Literal["deny_new", "sleep_previews"]
Kind = Literal["pull", "agent", "project", "team", "organization"]
KINDS: tuple[Kind, ...] = ("pull", "agent", "project", "team", "organization")
FORECAST = 0  # the threshold's place of the alert that looks ahead
_EARLY = 0.05  # of a period: before that, its rate says nothing
_LITTLE = 0.2  # of a limit: as long as less is used, nobody is told that it will not last


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """Somebody or something that a cost is charged to.  `key` never changes; `names` are other ways to say it."""

    kind: Kind
    key: str  # numbers of GitHub's: "12#7", "4242", "12", "5/web", "5"
    label: str = ""  # for people
    names: frozenset[str] = frozenset()  # in lower case

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """How much one scope may cost in one period.

    `scope`: organization, project, team:*, team:<slug>, agent:*, agent:<login, name or number>, pr:*."""

    scope: str
    period: Span
    limit_micro: int
    alerts: tuple[int, ...] = (50, 80, 95)  # per cent
    on_limit: OnLimit = "deny_new"
    timezone: str = "UTC"

    def covers(self, scope: Scope) -> bool:
        """Whether it speaks of that scope."""
        kind, _, which = self.scope.partition(":")
        if {"pr": "pull"}.get(kind, kind) != scope.kind:
            return False
        if scope.kind == "team":
            return which.lower() in ("*", scope.key.partition("/")[2])
        return which in ("", "*", scope.key) or which.lower() in scope.names


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How one scope stands against one limit, in the period that runs."""

    scope: Scope
    limit: Limit
    period: Period
    spent: int
    held: int  # put aside for what is under way

    @property
    def used(self) -> int:
        return self.spent + self.held

    @property
    def left(self) -> int:
        """What may still be put aside; never less than nothing."""
        return max(0, self.limit.limit_micro - self.used)

    def runs_out(self, now: float) -> float | None:
        """When it is used up if it goes on as it did since the period began; None: not before the period ends."""
        start, end, most = self.period.start, self.period.end, self.limit.limit_micro
        if end is None or self.spent <= most * _LITTLE or now - start < (end - start) * _EARLY:
            return None
        at = start + (now - start) * most / self.spent
        return at if now < at < end else None

    def crossed(self) -> Iterator[int]:
        """The thresholds that are reached, in per cent; what is only put aside does not count."""
        for percent in sorted(set(self.limit.alerts)):
            if percent > 0 and self.spent > 0 and self.spent * 100 >= self.limit.limit_micro * percent:
                yield percent


@dataclasses.dataclass(frozen=True, slots=True)
class Over:
    """Why money was not put aside: how it stands, and what was asked for."""

    standing: Standing
    estimate: int

    @property
    def actual(self) -> int:
        """What it would have come to."""
        return self.standing.used + self.estimate


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for one project: the limits of all layers of policy, and the teams that bear its costs (slugs)."""

    limits: tuple[Limit, ...] = ()
    teams: frozenset[str] = frozenset()
