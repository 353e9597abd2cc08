"""Text that fits: cut at the edge, and said so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.github.limits import MESSAGE, NOTE, annotation, fit, line


def test_what_fits_is_left_alone() -> None:
    assert fit("x" * 1000, 1000) == "x" * 1000


def test_what_does_not_fit_is_cut_at_a_lines_end_with_a_note() -> None:
    text = fit("a line of words\n" * 100, 1000)

    assert text.endswith("a line of words" + NOTE)
    assert len(text) <= 1000


@pytest.mark.parametrize("fence", ["```", "~~~~", "`````"])
def test_an_open_code_block_is_closed_before_the_note(fence: str) -> None:
    text = fit(f"Log:\n\n{fence}text\n" + "output ``` of a program\n" * 100 + fence, 1000)

    assert text.endswith(f"output ``` of a program\n{fence}{NOTE}")


def test_a_closed_code_block_stays_closed() -> None:
    text = fit("```\ncode\n```\n" + "words\n" * 1000, 1000)

    assert text.endswith(f"words{NOTE}")


@given(st.text(max_size=3000), st.integers(200, 2500))
def test_nothing_is_ever_too_long(text: str, limit: int) -> None:
    assert len(fit(text, limit)) <= limit


def test_a_line_is_one_line() -> None:
    assert line("a\nb\t c ") == "a b c"
    assert line("x" * 200) == "x" * 139 + "…"


def test_an_annotations_texts_fit_and_its_columns_are_for_one_line_only() -> None:
    spot = {
        "path": "a",
        "start_line": 1,
        "end_line": 2,
        "start_column": 3,
        "end_column": 4,
        "annotation_level": "notice",
    }
    told = annotation({**spot, "message": "é" * MESSAGE, "title": "t" * 300})

    assert len(told["message"].encode()) <= MESSAGE
    assert len(told["title"]) == 255
    assert "start_column" not in told
    assert annotation({**spot, "end_line": 1, "message": "m"})["start_column"] == 3
