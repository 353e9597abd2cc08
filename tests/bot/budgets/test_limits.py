"""How somebody stands against a limit: what is left, what is reached, and when it will be used up."""

from __future__ import annotations

import pytest

from bot.budgets import Limit, Scope, Standing, period

DAY = 86_400.0
MARCH = 1_772_323_200.0  # 2026-03-01 00:00 UTC
SHOP = Scope("project", "1", "acme/shop")


def standing(spent: int, held: int = 0, limit: int = 100, span: str = "month") -> Standing:
    return Standing(SHOP, Limit("project", span, limit), period(span, "UTC", MARCH), spent, held)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spent", "crossed"),
    [(0, []), (49, []), (50, [50]), (79, [50]), (80, [50, 80]), (95, [50, 80, 95]), (300, [50, 80, 95])],
)
def test_thresholds_are_reached_exactly(spent: int, crossed: list[int]) -> None:
    assert list(standing(spent, held=1000).crossed()) == crossed


def test_nothing_spent_reaches_nothing_also_of_nothing() -> None:
    assert list(standing(0, limit=0).crossed()) == []
    assert standing(0, limit=0).runs_out(MARCH + DAY) is None


def test_what_is_put_aside_is_not_left() -> None:
    assert (standing(60, 30).left, standing(60, 50).left) == (10, 0)


@pytest.mark.parametrize(
    ("spent", "days", "out"),
    [
        (50, 7, 14.0),  # half of it in a week: used up after two
        (50, 20, None),  # lasts longer than the month
        (20, 2, None),  # too little to say
        (50, 1, None),  # too early to say
        (100, 20, None),  # it is used up already
        (21, 3, 3 * 100 / 21),
    ],
)
def test_it_lasts_until(spent: int, days: float, out: float | None) -> None:
    found = standing(spent).runs_out(MARCH + days * DAY)

    assert found == (None if out is None else pytest.approx(MARCH + out * DAY))


def test_all_time_has_no_rate() -> None:
    assert standing(90, span="lifetime").runs_out(MARCH) is None
