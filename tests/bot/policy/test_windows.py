"""When an environment is open, on the clock on the wall."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import zoneinfo

import pytest

from bot.policy.windows import Freeze, Window, both, frozen_at, instant, next_opening, open_at, overlap, spans, spelled

BERLIN = "Europe/Berlin"


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def window(*lines: str, zone: str = BERLIN) -> Window:
    return Window(zone, spans(lines))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-16T07:59:59+01:00", False),  # a Monday
        ("2026-11-16T08:00:00+01:00", True),
        ("2026-11-16T07:00:00Z", True),
        ("2026-11-16T15:59:59+01:00", True),
        ("2026-11-16T16:00:00+01:00", False),
        ("2026-11-19T12:00:00+01:00", True),
        ("2026-11-20T12:00:00+01:00", False),  # Friday
        ("2026-07-16T08:00:00+02:00", True),  # in summer the same clock is another time
        ("2026-07-16T06:00:00Z", True),
        ("2026-07-16T14:00:00Z", False),
    ],
)
def test_office_hours_are_read_off_the_clock_of_their_zone(moment: str, expected: bool) -> None:
    assert open_at([window("Mon-Thu 08:00-16:00")], at(moment)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-20T21:59:00+00:00", False),
        ("2026-11-20T22:00:00+00:00", True),  # Friday night
        ("2026-11-21T05:59:59+00:00", True),
        ("2026-11-21T06:00:00+00:00", False),
        ("2026-11-22T23:00:00+00:00", True),  # Sunday night ends in the next week
        ("2026-11-23T05:00:00+00:00", True),
        ("2026-11-23T23:00:00+00:00", False),
    ],
)
def test_a_night_ends_on_the_next_day(moment: str, expected: bool) -> None:
    assert open_at([window("Fri,Sun 22:00-06:00", zone="UTC")], at(moment)) is expected


# Clocks in Berlin: 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00.  Both are Sundays.
@pytest.mark.parametrize(
    ("lines", "moment", "expected"),
    [
        ("Sun 02:00-03:00", "2026-03-29T00:59:59+00:00", False),  # 01:59:59 on the wall
        ("Sun 02:00-03:00", "2026-03-29T01:00:00+00:00", False),  # 03:00: the hour never came
        ("Sun 02:30-04:00", "2026-03-29T01:00:00+00:00", True),  # what is left of it is open
        ("Sun 02:30-04:00", "2026-03-29T02:00:00+00:00", False),
        ("Sat 22:00-02:30", "2026-03-29T00:59:59+00:00", True),
        ("Sat 22:00-02:30", "2026-03-29T01:00:00+00:00", False),
        ("Sun 02:00-03:00", "2026-10-25T00:30:00+00:00", True),  # 02:30, the first time
        ("Sun 02:00-03:00", "2026-10-25T01:30:00+00:00", True),  # 02:30, the second time
        ("Sun 02:00-03:00", "2026-10-25T02:00:00+00:00", False),
        ("Sun 02:15-02:30", "2026-10-25T00:45:00+00:00", False),  # between the two
        ("Sun 02:15-02:30", "2026-10-25T01:15:00+00:00", True),
        ("Sun 01:00-02:30", "2026-10-25T01:00:00+00:00", True),  # the clock went back into it
    ],
)
def test_clocks_that_are_changed(lines: str, moment: str, expected: bool) -> None:
    assert open_at([window(lines)], at(moment)) is expected


@pytest.mark.parametrize(
    ("zone", "lines", "moment", "opens"),
    [
        (BERLIN, "Mon-Thu 08:00-16:00", "2026-11-16T09:00:00+01:00", "2026-11-16T09:00:00+01:00"),
        (BERLIN, "Mon-Thu 08:00-16:00", "2026-11-16T16:00:00+01:00", "2026-11-17T08:00:00+01:00"),
        (BERLIN, "Mon-Thu 08:00-16:00", "2026-11-19T17:00:00+01:00", "2026-11-23T08:00:00+01:00"),
        (BERLIN, "Mon 08:00-16:00", "2026-03-23T16:00:00+01:00", "2026-03-30T08:00:00+02:00"),  # summer begins
        (BERLIN, "Sun 02:00-03:00", "2026-03-22T12:00:00+01:00", "2026-04-05T02:00:00+02:00"),  # one is left out
        (BERLIN, "Sun 02:30-04:00", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        (BERLIN, "Sun 02:15-02:30", "2026-10-25T02:40:00+02:00", "2026-10-25T02:15:00+01:00"),  # it comes again
        (BERLIN, "Sun 01:00-02:30", "2026-10-25T02:45:00+02:00", "2026-10-25T02:00:00+01:00"),
        ("Australia/Lord_Howe", "Sun 02:00-02:30", "2026-09-29T00:00:00+10:30", "2026-10-11T02:00:00+11:00"),
        ("America/New_York", "09:00-17:00", "2026-11-20T23:00:00Z", "2026-11-21T14:00:00Z"),
        ("UTC", "Sun 22:00-06:00", "2026-11-23T07:00:00Z", "2026-11-29T22:00:00Z"),
    ],
)
def test_the_next_opening(zone: str, lines: str, moment: str, opens: str) -> None:
    assert next_opening([window(lines, zone=zone)], at(moment)) == at(opens)


def test_the_next_opening_is_the_first_minute_that_is_open() -> None:
    """Minute by minute through the days on which Berlin changes its clocks."""
    for day in ("2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z"):
        for lines in (["Sun 02:10-02:50"], ["Sat 23:00-02:20", "Sun 03:05-04:00"], ["Sun 01:30-03:30"]):
            one = window(*lines)
            minutes = [at(day) + 60 * n for n in range(10 * 60)]
            following: float | None = None
            for minute in reversed(minutes):
                following = minute if open_at([one], minute) else following
                assert following is None or next_opening([one], minute) == following


def test_windows_in_two_zones_are_open_together() -> None:
    two = [window("Mon-Fri 08:00-17:00"), window("Mon-Fri 08:00-17:00", zone="America/New_York")]
    assert next_opening(two, at("2026-11-20T12:00:00Z")) == at("2026-11-20T13:00:00Z")
    assert next_opening(two, at("2026-11-20T16:00:00Z")) == at("2026-11-23T13:00:00Z")


def test_without_windows_it_is_always_open_and_without_spans_never() -> None:
    assert next_opening([], 5.0) == 5.0
    assert next_opening([Window(BERLIN, ())], at("2026-11-20T12:00:00Z")) is None
    assert not open_at([Window(BERLIN, ())], at("2026-11-20T12:00:00Z"))


def test_the_next_opening_waits_for_freezes() -> None:
    holidays = Freeze(int(at("2026-12-20T00:00:00+01:00")), int(at("2027-01-04T12:00:00+01:00")), "holidays")
    inside = Freeze(int(at("2026-12-24T00:00:00+01:00")), int(at("2027-01-05T12:00:00+01:00")), "longer")
    one = [window("Mon-Thu 08:00-16:00")]
    assert next_opening(one, at("2026-12-20T12:00:00Z"), [holidays]) == at("2027-01-04T12:00:00+01:00")
    assert next_opening(one, at("2026-12-18T12:00:00Z"), [holidays, inside]) == at("2027-01-05T12:00:00+01:00")
    assert frozen_at([holidays, inside], at("2026-12-25T12:00:00Z")) is inside
    assert frozen_at([holidays], holidays.end) is None
    assert frozen_at([holidays], holidays.start) is holidays


@pytest.mark.parametrize(
    ("text", "last", "expected"),
    [
        ("2026-12-20T00:00", False, "2026-12-20T00:00:00+01:00"),
        ("2026-12-20", False, "2026-12-20T00:00:00+01:00"),
        ("2026-12-20T00:00Z", False, "2026-12-20T00:00:00+00:00"),
        ("2026-12-20 00:00:30-05:00", False, "2026-12-20T00:00:30-05:00"),
        ("2026-10-25T02:30", False, "2026-10-25T02:30:00+02:00"),  # the first time
        ("2026-10-25T02:30", True, "2026-10-25T02:30:00+01:00"),  # the last
        ("2026-03-29T02:30", False, "2026-03-29T00:30:00+00:00"),  # it never comes: a freeze is rather too long
        ("2026-03-29T02:30", True, "2026-03-29T01:30:00+00:00"),
    ],
)
def test_times_on_the_clock_of_a_zone(text: str, last: bool, expected: str) -> None:
    assert instant(text, BERLIN, last=last) == at(expected)


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-13-01", "2026-12-20T24:30", "20261220", "2026-12-20T00:00+1", "0001-01-01"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|month|hour"):
        instant(text, BERLIN, last=False)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Mon 00:00-24:00", ["Mon 00:00-24:00"]),
        ("08:00-09:30", [f"{day} 08:00-09:30" for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]),
        ("Sat-Mon 10:00-11:00", ["Mon 10:00-11:00", "Sat 10:00-11:00", "Sun 10:00-11:00"]),
        ("mon, WED 10:00-11:00", ["Mon 10:00-11:00", "Wed 10:00-11:00"]),
        ("Fri 22:00-02:00", ["Fri 22:00-Sat 02:00"]),
        ("Sun 22:00-02:00", ["Mon 00:00-02:00", "Sun 22:00-24:00"]),
        ("Sun 22:00-00:00", ["Sun 22:00-24:00"]),
    ],
)
def test_lines_and_what_they_mean(line: str, expected: list[str]) -> None:
    assert [spelled(span) for span in spans([line])] == expected


def test_spans_that_touch_become_one() -> None:
    assert spans(["Mon 08:00-10:00", "Mon 10:00-12:00", "Mon 09:00-11:00"]) == ((480, 720),)
    assert overlap(((0, 10), (20, 30)), ((5, 25),)) == ((5, 10), (20, 25))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Mon 08:00-08:00", "never opens"),
        ("Mon 24:00-08:00", "a day begins at 00:00"),
        ("Mon 25:00-26:00", "no time of the day"),
        ("Mon 08:60-09:00", "no time of the day"),
        ("Monday 08:00-09:00", "days are"),
        ("Mon-Funday 08:00-09:00", "days are"),
        ("8-16", "is no window"),
        ("", "is no window"),
    ],
)
def test_what_is_no_window(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        spans([line])


def test_two_windows_of_one_zone_become_what_they_share() -> None:
    day, noon = window("Mon-Fri 08:00-16:00"), window("Mon-Wed 12:00-20:00")
    assert both([day], [noon]) == (window("Mon-Wed 12:00-16:00"),)
    assert both([day], [window("Sat 08:00-16:00")]) == (Window(BERLIN, ()),)
    assert len(both([day], [window("Mon 08:00-16:00", zone="UTC")])) == 2


def test_zones_are_known_on_a_system_that_has_none() -> None:
    ask = "from bot.policy.kinds import zone; print(zone('Europe/Berlin'), zone('UTC'))"
    told = subprocess.run(
        [sys.executable, "-c", ask], env={**os.environ, "PYTHONTZPATH": ""}, capture_output=True, text=True, check=True
    )
    assert told.stdout == "Europe/Berlin UTC\n"


def test_every_zone_can_be_asked() -> None:
    moment = at("2026-11-20T12:00:00Z")
    for name in sorted(zoneinfo.available_timezones())[::40]:
        assert next_opening([Window(name, spans(["00:00-24:00"]))], moment) == moment
