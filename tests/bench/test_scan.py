"""The arithmetic of the scan's bench is right with given numbers, and it scans what it says; nothing is timed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.commands import Failed
from bench.scan import Case, Row, bars, cases, large, table


def row(*ours: float, **today: float) -> Row:
    return Row.of(
        Case("small", 1.5, {}), 3, ours or (5.0, 0.5, 1.0, 0.75), {name: [one] for name, one in today.items()}
    )


def shown(*rows: Row) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table(rows))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_first_time_is_told_apart() -> None:
    assert row().first == 5.0
    assert (row().ours.median, row().ours.low, row().ours.high, row().ours.count) == (0.75, 0.5, 1.0, 3)


def test_a_single_time_is_no_measurement() -> None:
    with pytest.raises(Failed, match="warms up"):
        row(5.0)


def test_the_others_are_told_as_ratios_of_the_same_run() -> None:
    one = row(gitleaks=1.5)
    assert one.ratio("gitleaks") == 2.0
    assert one.ratio("semgrep") is None
    assert one.as_json()["ratio"] == {"gitleaks": 2.0}


def test_the_table_has_a_column_for_every_way_that_any_case_has() -> None:
    text = shown(row(gitleaks=1.5), row(other=0.75))
    assert "gitleaks ÷ ours" in text
    assert "other ÷ ours" in text
    assert "= 2.00" in text
    assert "–" in text


def test_a_bar_is_met_by_the_median() -> None:
    assert bars([row(9.0, 1.0, 1.4, 9.0)]) == ["✓ small: 1.40 s (less than 1.5)"]
    assert bars([row(9.0, 1.5)]) == ["✗ small: 1.50 s (less than 1.5)"]
    assert not row(9.0, 1.5).well


def test_five_files_of_five_thousand_are_changed() -> None:
    before, changed = large()
    assert len(before) > 5000
    assert len(changed) == 5
    assert set(changed) < set(before)
    assert all(changed[path] != before[path] for path in changed)


def test_the_small_ones_have_something_for_every_scanner() -> None:
    flask, express = cases(["flask", "express"])
    for case, end in ((flask, ".py"), (express, ".js")):
        assert {"Dockerfile", ".github/workflows/test.yml"} < set(case.files)
        assert sum(path.endswith(end) for path in case.files) > 10
