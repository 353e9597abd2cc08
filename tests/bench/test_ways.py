"""The arithmetic of going back is right with given numbers; nothing here is timed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.figures import Spread
from bench.ways import Way, bars, cells, lengths, steps_table, table


def spread(*ms: float) -> Spread:
    made = Spread.of(one / 1000 for one in ms)
    assert made is not None
    return made


def way(name: str = "rollback (warm)", *ms: float, **more: Spread) -> Way:
    return Way(name, "docker", spread(*(ms or (90, 60, 150))), **more)  # type: ignore[arg-type]


def shown(what: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_floor_is_what_is_written_and_what_is_pointed() -> None:
    one = way(books=spread(4), router=spread(6), today=spread(900))

    assert one.floor == pytest.approx(0.01)
    assert one.over_floor == pytest.approx(9)
    assert one.gain == pytest.approx(10)


def test_without_comparison_there_is_no_ratio() -> None:
    assert cells(way()) == ("rollback (warm)", "docker", "90", "150", *"–––––")


def test_a_row_shows_the_median_the_worst_and_the_ratios() -> None:
    one = way(books=spread(4), router=spread(6), today=spread(900))

    assert cells(one) == ("rollback (warm)", "docker", "90", "150", "4.0", "6.0", "900", "9.0", "10.0")
    text = shown(table([one], "docker compose up -d"))
    assert "docker compose up -d" in text
    assert "150" in text


def test_json_is_in_milliseconds() -> None:
    told = way(books=spread(4), router=spread(6)).as_json()

    assert (told["ours"]["median"], told["ours"]["high"], told["floor"], told["over_floor"]) == (90, 150, 10, 9)
    assert (told["today"], told["gain"]) == (None, None)


def test_steps_lie_between_the_moments_that_are_known() -> None:
    took = lengths((10.0, 10.1, 10.3, 10.6, 11.0, 11.5))

    assert {name: round(seconds, 3) for name, seconds in took.items()} == {
        "accepted": 0.1,
        "claimed": 0.2,
        "allowed": 0.3,
        "started": 0.4,
        "answering": 0.5,
    }


def test_steps_are_shown_by_name() -> None:
    one = Way("promote", "docker", spread(300), steps={"accepted": spread(40), "started": spread(200)})

    assert {"40", "200"} <= set(shown(steps_table([one, way()])).split())


def test_only_the_worst_of_the_warm_rollbacks_is_judged() -> None:
    good, slow = way(), way("rollback (warm)", 90, 2500)
    others = (way("promote", 9000), way("rollback (stopped)", 9000))

    assert bars([good, *others]) == ["✓ rollback (warm) on docker: at worst 0.15 s (at most 2 s)"]
    assert [one[0] for one in bars([slow])] == ["✗"]
