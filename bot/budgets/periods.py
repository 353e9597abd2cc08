"""The calendar that budgets follow: days, ISO weeks and months of a zone, each with one beginning and one end.

A day may have 23 or 25 hours.  Where a clock is put forward at midnight, the day begins at that very moment; where
midnight comes twice, it begins with the first.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.errors import Misconfigured

Span = Literal["day", "week", "month", "lifetime"]
SPANS: tuple[Span, ...] = get_args(Span)


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """One day, week, month, or all time.  Begins at `start` and ends just before `end`, both in Unix seconds."""

    span: Span
    zone: str  # "" for all time
    start: float
    end: float | None  # None: it never ends


def zone_of(name: str) -> ZoneInfo:
    """An IANA zone.  Raises Misconfigured for what is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misconfigured(f"{name!r} is no time zone; write one such as Europe/Berlin or UTC.") from error


def period(span: Span, zone: str, at: float) -> Period:
    """The period that a moment lies in."""
    if span == "lifetime":
        return Period(span, "", 0.0, None)
    where = zone_of(zone)
    day = dt.datetime.fromtimestamp(at, where).date()
    match span:
        case "day":
            first, after = day, day + dt.timedelta(days=1)
        case "week":
            first = day - dt.timedelta(days=day.weekday())
            after = first + dt.timedelta(days=7)
        case "month":
            first = day.replace(day=1)
            after = (first + dt.timedelta(days=32)).replace(day=1)
    return Period(span, zone, _midnight(first, where), _midnight(after, where))


def _midnight(day: dt.date, where: ZoneInfo) -> float:
    return dt.datetime.combine(day, dt.time(), where).timestamp()
