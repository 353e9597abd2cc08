"""The arithmetic of the bench is right with given numbers; nothing here is timed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.figures import Row, Spread, bars, cells, steps_table, table


def spread(*ms: float) -> Spread:
    made = Spread.of(one / 1000 for one in ms)
    assert made is not None
    return made


def row(**more: Spread) -> Row:
    return Row("flask", "code", "docker", spread(310, 250, 300), **more)  # type: ignore[arg-type]


def shown(what: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert spread(4, 1, 9).as_json() == {"median": 4, "low": 1, "high": 9, "count": 3}
    assert spread(4, 1, 9, 5).median == pytest.approx(0.0045)
    assert str(spread(310, 250, 300)) == "300 (250–310)"


def test_nothing_measured_is_no_spread() -> None:
    assert Spread.of([]) is None


def test_the_floor_is_fetch_and_start() -> None:
    one = row(fetch=spread(50), run=spread(150), today=spread(900, 1200))

    assert one.floor == pytest.approx(0.2)
    assert one.over_floor == pytest.approx(1.5)
    assert one.gain == pytest.approx(3.5)


def test_a_static_site_has_only_the_fetch_below_it() -> None:
    assert row(fetch=spread(50)).floor == 0.05


def test_without_comparison_there_is_no_ratio() -> None:
    assert cells(row()) == ("flask", "code", "docker", "300 (250–310)", *"––––––")


def test_a_row_shows_medians_and_ratios() -> None:
    one = row(fetch=spread(50), run=spread(150), today=spread(900, 1200))

    assert cells(one)[3:] == ("300 (250–310)", "50", "150", "1050 (900–1200)", "–", "1.50", "3.50")
    assert "3.50" in shown(table([one]))


def test_json_is_in_milliseconds() -> None:
    told = row(fetch=spread(50), run=spread(150)).as_json()

    assert (told["ours"]["median"], told["floor"], told["over_floor"], told["gain"]) == (300, 200, 1.5, None)
    assert told["today"] is None


def test_the_bars_are_judged_for_code_changes_on_docker_only() -> None:
    good = row(fetch=spread(50), run=spread(150), today=spread(900))
    slow = row(fetch=spread(50), run=spread(100), today=spread(800))
    other = Row("flask", "deps", "docker", spread(1))

    assert bars([good, other]) == [
        "✓ flask: 1.50 × the floor (at most 1.5)",
        "✓ flask: 3.00 × faster than today (at least 3)",
    ]
    assert [one[0] for one in bars([slow])] == ["✗", "✗"]


def test_steps_are_shown_by_name() -> None:
    one = Row("flask", "code", "docker", spread(300), steps={"fetch": spread(40), "start": spread(200)})

    assert {"40", "200"} <= set(shown(steps_table([one])).split())
