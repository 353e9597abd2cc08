"""Prices and amounts: exact, rounded once, half up."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.budgets import DAY, GIB, Prices, Usage
from bot.errors import Misconfigured

ZERO = {"cpu_second": 0, "gib_second": 0, "build_second": 0, "gib_day": 0, "gib_out": 0}
amounts = st.integers(0, 10**15)
usages = st.builds(Usage, amounts, amounts, amounts, amounts, amounts)


@pytest.mark.parametrize(
    ("usage", "millionths"),
    [
        (Usage(cpu_us=1_000_000), 2_000_000),
        (Usage(memory=GIB), 3_000_000),
        (Usage(build_ms=1000), 5_000_000),
        (Usage(stored=GIB * DAY), 7_000_000),
        (Usage(out=GIB), 11_000_000),
        (Usage(1_000_000, GIB, 1000, GIB * DAY, GIB), 28_000_000),
        (Usage(), 0),
    ],
)
def test_a_unit_costs_its_price(usage: Usage, millionths: int) -> None:
    prices = Prices.of({"cpu_second": 2, "gib_second": 3, "build_second": "5", "gib_day": 7.0, "gib_out": "11.000"})

    assert prices.charge(usage) == millionths


@pytest.mark.parametrize(("us", "millionths"), [(499_999, 0), (500_000, 1), (1_499_999, 1), (1_500_000, 2)])
def test_amounts_are_rounded_half_up(us: int, millionths: int) -> None:
    assert Prices.of({**ZERO, "cpu_second": "0.000001"}).charge(Usage(cpu_us=us)) == millionths


@given(st.lists(usages, max_size=8))
def test_booked_in_pieces_it_comes_to_the_same(pieces: list[Usage]) -> None:
    prices, whole, booked = Prices(), Usage(), 0
    for piece in pieces:
        booked += prices.difference(whole, whole + piece)
        whole += piece

    assert booked == prices.charge(whole)
    assert abs(prices.exact(whole) - booked) <= Fraction(1, 2)


def test_the_same_prices_have_the_same_digest_however_they_are_written() -> None:
    assert Prices.of({"gib_day": "0.0050"}).digest == Prices.of({"gib_day": 0.005}).digest == Prices().digest
    assert Prices.of({"gib_day": "0.0051"}).digest != Prices().digest
    assert Prices.of({"currency": "EUR"}).digest != Prices().digest


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"cpu": 1}, "cpu"),
        ({"gib_out": -1}, "gib_out"),
        ({"gib_out": "free"}, "gib_out"),
        ({"gib_out": True}, "gib_out"),
        ({"gib_out": [1]}, "gib_out"),
        ({"gib_out": "NaN"}, "gib_out"),
        ({"gib_out": "1e9"}, "gib_out"),
        ({"currency": "dollars"}, "dollars"),
    ],
)
def test_prices_that_are_none_are_named(raw: dict[str, object], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        Prices.of(raw)


@given(usages)
def test_a_usage_survives_its_trip_through_json(usage: Usage) -> None:
    assert Usage.from_json(usage.as_json()) == usage
    assert Usage.from_json({**usage.as_json(), "later": 1}) == usage
    assert (usage + usage).minus(usage) == usage.largest(Usage()) == usage


def test_the_default_prices_are_a_small_clouds() -> None:
    """A quarter of a GiB and 2 % of a processor for a month, and a minute of build."""
    month = 30 * DAY
    usage = Usage(cpu_us=month * 20_000, memory=month * GIB // 4, build_ms=60_000)

    assert Prices().currency == "USD"
    assert Decimal("2.8") < Decimal(Prices().charge(usage)) / 1_000_000 < Decimal("3.0")
