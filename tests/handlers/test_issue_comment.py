"""When a command counts as given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.service import Event
from handlers.issue_comment import LATEST, SKEW, _received

NOW = 1_800_000_000.0


def stamp(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("written", "counts"),
    [
        (stamp(NOW), NOW),
        (stamp(NOW - SKEW), NOW),
        (stamp(NOW - 60), NOW - 60 + SKEW),
        (stamp(NOW - 3 * 86400), NOW - 3 * 86400 + SKEW),
        (stamp(NOW - LATEST - 1), NOW),
        (stamp(NOW + 600), NOW),
        ("yesterday", NOW),
        (None, NOW),
    ],
)
def test_a_command_counts_from_its_arrival_or_when_it_was_late_from_its_writing(written: Any, counts: float) -> None:
    event = Event("issue_comment", "created", {}, "g", NOW)

    assert _received(event, {"created_at": written}) == counts
