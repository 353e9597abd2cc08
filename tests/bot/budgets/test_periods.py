"""Days, weeks and months of a zone, with the hours that clocks skip and repeat."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.budgets import SPANS, Span, period
from bot.errors import Misconfigured

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo"),
    *("Africa/Cairo", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Pacific/Kiritimati", "Atlantic/Azores"),
)


def at(text: str, zone: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("span", "zone", "moment", "start", "end", "hours"),
    [
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-30T00:00", 23),
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-25T00:00", "2026-10-26T00:00", 25),
        ("day", "Europe/Berlin", "2026-10-25T00:00", "2026-10-25T00:00", "2026-10-26T00:00", 25),
        ("day", "Europe/Berlin", "2026-10-24T23:59", "2026-10-24T00:00", "2026-10-25T00:00", 24),
        ("day", "Africa/Cairo", "2026-04-24T12:00", "2026-04-24T01:00", "2026-04-25T00:00", 23),  # no midnight
        ("day", "America/Havana", "2026-11-01T12:00", "2026-11-01T00:00", "2026-11-02T00:00", 25),  # two of them
        ("day", "Australia/Lord_Howe", "2026-10-04T12:00", "2026-10-04T00:00", "2026-10-05T00:00", 23.5),
        ("week", "Europe/Berlin", "2026-03-29T23:59", "2026-03-23T00:00", "2026-03-30T00:00", 167),
        ("week", "UTC", "2027-01-03T23:59", "2026-12-28T00:00", "2027-01-04T00:00", 168),  # ISO week 53 of 2026
        ("month", "America/New_York", "2026-11-30T23:59", "2026-11-01T00:00", "2026-12-01T00:00", 721),
        ("month", "UTC", "2028-02-29T23:59", "2028-02-01T00:00", "2028-03-01T00:00", 29 * 24),
        ("month", "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00", 31 * 24),
    ],
)
def test_a_period(span: Span, zone: str, moment: str, start: str, end: str, hours: float) -> None:
    found = period(span, zone, at(moment, zone))

    assert (found.start, found.end) == (at(start, zone), at(end, zone))
    assert found.end is not None
    assert (found.end - found.start) / 3600 == hours


def test_midnight_in_one_zone_is_not_midnight_in_another() -> None:
    moment = at("2026-12-31T23:30", "UTC")

    starts = {zone: period("month", zone, moment).start for zone in ("UTC", "Europe/Berlin", "America/New_York")}

    assert starts["UTC"] == at("2026-12-01T00:00", "UTC")
    assert starts["Europe/Berlin"] == at("2027-01-01T00:00", "Europe/Berlin")
    assert starts["America/New_York"] == at("2026-12-01T00:00", "America/New_York")


def test_all_time_has_no_end_in_any_zone() -> None:
    assert period("lifetime", "Asia/Tokyo", 1e9) == period("lifetime", "UTC", 2e9)
    assert period("lifetime", "UTC", 1e9).end is None


@given(st.floats(1.6e9, 2.2e9), st.sampled_from(ZONES), st.sampled_from(SPANS))
def test_every_moment_lies_in_one_period_that_the_next_one_follows(moment: float, zone: str, span: Span) -> None:
    found = period(span, zone, moment)

    assert found.start <= moment
    if found.end is not None:
        assert moment < found.end
        assert period(span, zone, found.end).start == found.end
        assert period(span, zone, found.start) == found


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe/Berlin\n"])
def test_a_zone_that_is_none_is_named(zone: str) -> None:
    with pytest.raises(Misconfigured, match="time zone"):
        period("day", zone, 1e9)
