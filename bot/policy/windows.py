"""When an environment is open: weekly windows on the clock of a zone, and freezes.  Pure.

A window is read off the clock on the wall.  Times that a zone skips in spring never come, so nothing is open then;
an hour that comes twice in autumn counts both times.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence

DAY, WEEK = 1440, 10_080  # minutes
AHEAD = 15  # days in which the next opening is looked for: windows come back each week
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN = re.compile(r"(?:([A-Za-z, -]+?) +)?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")

Spans = tuple[tuple[int, int], ...]  # minutes since Monday 00:00, the end not included; sorted, apart


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Window:
    """Open in these spans of the week, on this zone's clock.  Without spans: never."""

    zone: str
    spans: Spans


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Freeze:
    """Closed from `start` to before `end`, in Unix seconds."""

    start: int
    end: int
    reason: str = dataclasses.field(default="", compare=False)


def spans(lines: Iterable[str]) -> Spans:
    """Lines such as "Mon-Thu 08:00-16:00" as parts of the week.  Raises ValueError."""
    return _joined([span for line in lines for span in _line(line)])


def _line(line: str) -> Iterator[tuple[int, int]]:
    found = _SPAN.fullmatch(line.strip())
    if found is None:
        raise ValueError(f'"{line[:60]}" is no window: write one like Mon-Thu 08:00-16:00')
    start, end = _minute(found[2], found[3], line), _minute(found[4], found[5], line)
    if start == DAY:
        raise ValueError(f'"{line[:60]}": a day begins at 00:00, 24:00 is its end')
    if start == end:
        raise ValueError(f'"{line[:60]}" never opens; the whole day is 00:00-24:00')
    for day in _days(found[1], line):
        begins, ends = day * DAY + start, day * DAY + (end if end > start else end + DAY)
        yield begins, min(ends, WEEK)
        if ends > WEEK:
            yield 0, ends - WEEK


def _minute(hour: str, minute: str, line: str) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > DAY:
        raise ValueError(f'"{line[:60]}": {hour}:{minute} is no time of the day')
    return found


def _days(text: str | None, line: str) -> set[int]:
    if text is None:
        return set(range(7))
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f'"{line[:60]}": days are Mon, Tue, Wed, Thu, Fri, Sat and Sun, like Mon-Thu or Sat,Sun')
        begin, end = DAYS.index(first), DAYS.index(last) if dash else DAYS.index(first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return found


def _joined(parts: Iterable[tuple[int, int]]) -> Spans:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def spelled(span: tuple[int, int]) -> str:
    """A part of the week as people read it: "Mon 08:00-16:00"."""
    (start, end), last = span, span[1] - 1
    days = DAYS[start // DAY].title()
    ends = f"{end % DAY // 60:02d}:{end % 60:02d}" if end % DAY else "24:00"
    until = ends if last // DAY == start // DAY else f"{DAYS[last // DAY].title()} {ends}"
    return f"{days} {start % DAY // 60:02d}:{start % 60:02d}-{until}"


def overlap(one: Spans, other: Spans) -> Spans:
    """The parts of the week that are in both."""
    cuts = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return _joined((start, end) for start, end in cuts if start < end)


def both(one: Sequence[Window], other: Sequence[Window]) -> tuple[Window, ...]:
    """Open when both are: one window a zone, because zones can't be compared without a date."""
    found: dict[str, Spans] = {}
    for window in (*one, *other):
        known = found.get(window.zone)
        found[window.zone] = window.spans if known is None else overlap(known, window.spans)
    return tuple(sorted(Window(name, inside) for name, inside in found.items()))


def without_covered(freezes: Iterable[Freeze]) -> tuple[Freeze, ...]:
    """Those that are not inside another one."""
    kept: list[Freeze] = []
    for freeze in sorted(set(freezes), key=lambda one: (one.start, -one.end)):
        if not kept or freeze.end > kept[-1].end:
            kept.append(freeze)
    return tuple(kept)


def open_at(windows: Sequence[Window], moment: float) -> bool:
    """Is every window open at this moment, in Unix seconds?  Without windows: always."""
    return all(_inside(window, moment) for window in windows)


def _inside(window: Window, moment: float) -> bool:
    local = dt.datetime.fromtimestamp(moment, zoneinfo.ZoneInfo(window.zone))
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in window.spans)


def frozen_at(freezes: Sequence[Freeze], moment: float) -> Freeze | None:
    """The freeze that stands now and lasts longest."""
    standing = [freeze for freeze in freezes if freeze.start <= moment < freeze.end]
    return max(standing, key=lambda freeze: freeze.end, default=None)


def next_opening(windows: Sequence[Window], moment: float, freezes: Sequence[Freeze] = ()) -> float | None:
    """The first moment from now on that is in every window and in no freeze.

    None: not within the next two weeks, or the two weeks after a freeze."""
    at: float | None = moment
    while at is not None:
        standing = frozen_at(freezes, at)
        if standing is not None:
            at = standing.end  # later than `at`, so this comes to an end
        elif open_at(windows, at):
            return at
        else:
            at = _next_in_windows(windows, at)
    return None


def _next_in_windows(windows: Sequence[Window], moment: float) -> float | None:
    starts = sorted({start for window in windows for start in _starts(window, moment)})
    return next((start for start in starts if start > moment and open_at(windows, start)), None)


def _starts(window: Window, moment: float) -> Iterator[float]:
    """Moments at which this window may open: its beginnings, in both folds, and the zone's changes of the clock."""
    name = zoneinfo.ZoneInfo(window.zone)
    today = dt.datetime.fromtimestamp(moment, name).date()
    for ahead in range(-1, AHEAD):
        day = today + dt.timedelta(days=ahead)
        midnight = dt.datetime.combine(day, dt.time())
        for start, _end in window.spans:
            if start // DAY == day.weekday():
                local = midnight + dt.timedelta(minutes=start % DAY)
                yield from (local.replace(tzinfo=name, fold=fold).timestamp() for fold in (0, 1))
        changed = _change(name, midnight)
        if changed is not None:
            yield changed


def _change(name: zoneinfo.ZoneInfo, midnight: dt.datetime) -> float | None:
    """When the clock is changed on this day, if it is.  No zone does it twice a day."""
    low = int(midnight.replace(tzinfo=name).timestamp())
    high = int((midnight + dt.timedelta(days=1)).replace(tzinfo=name).timestamp())

    def offset(at: int) -> dt.timedelta | None:
        return dt.datetime.fromtimestamp(at, name).utcoffset()

    before = offset(low)
    if before == offset(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return float(high)


def instant(text: str, zone: str, *, last: bool) -> int:
    """Unix seconds of `2026-12-20T00:00`, on the clock of the zone unless it says its own offset.

    An hour that comes twice is its first time, or its last when `last`.  Raises ValueError."""
    shape = r"2[01][0-9]{2}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
    if not re.fullmatch(shape, text):
        raise ValueError(f'"{text[:60]}" is no time: write 2026-12-20T00:00')
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is not None:
        return int(found.timestamp())
    name = zoneinfo.ZoneInfo(zone)
    times = [int(found.replace(tzinfo=name, fold=fold).timestamp()) for fold in (0, 1)]
    return max(times) if last else min(times)
