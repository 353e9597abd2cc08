"""How a finding is named, and until when one is ignored."""

from __future__ import annotations

import datetime as dt

import pytest

from handlers.commands.asked import Misused
from handlers.commands.finding import named
from handlers.commands.ignore import ends

NOW = dt.datetime(2026, 11, 21, 13, 30, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize("word", ["3f9a1c0b", "3F9A1C0B", "3f9a1c0b00000001", "3f9a1c0b00000001-12"])
def test_a_finding_is_called_by_its_id_or_its_beginning(word: str) -> None:
    assert named(word) == word.lower()


@pytest.mark.parametrize(
    "word",
    [
        "",
        "3f9a1c0",
        "dependencies",
        "policy",
        "3f9a1c0b-1",
        "3f9a1c0b00000001-",
        "3f9a1c0b000000012",
        "٣f9a1c0b",
        "g" * 8,
    ],
)
def test_what_can_be_no_id_is_none(word: str) -> None:
    assert named(word) is None


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-11-21", dt.datetime(2026, 11, 22, tzinfo=dt.UTC)),
        ("2026-12-31", dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),
        ("2027-11-21", dt.datetime(2027, 11, 22, tzinfo=dt.UTC)),
    ],
)
def test_it_holds_to_the_end_of_the_day(text: str, end: dt.datetime) -> None:
    assert ends(text, NOW) == end.timestamp()


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-20", "2027-11-23", "9999-12-31", "2027-02-30", "2026-W48-1", "20261122", "tomorrow", "٢٠٢٦-١٢-٠١"],
)
def test_any_other_end_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(Misused) as told:
        ends(text, NOW)

    assert "--until=" in told.value.usage
