"""docs/security.md names all forty-two pitfalls and the other attacks, and only tests that are there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> dict[str, tuple[str, str]]:
    """P, S, V or N number -> (defence, tests)."""
    lines = [line.split("|") for line in (ROOT / "docs/security.md").read_text().splitlines()]
    return {
        line[1].strip(): (line[2], line[3])
        for line in lines
        if len(line) == 5 and re.fullmatch(r" [PSVN]\d+ ", line[1])
    }


@cache
def source(path: str) -> str:
    return (ROOT / path).read_text()


def test_all_pitfalls_are_there_once_and_in_order() -> None:
    numbers = {"P": 42, "S": 15, "V": 6, "N": 8}
    assert list(rows()) == [f"{kind}{number}" for kind, most in numbers.items() for number in range(1, most + 1)]


@pytest.mark.parametrize("pitfall", rows())
def test_what_stands_against_it_is_tried(pitfall: str) -> None:
    _defence, tests = rows()[pitfall]
    named = TEST.findall(tests)
    assert named
    for path, name in named:
        assert re.search(rf"^(?:async )?(?:def|class) {name}\b", source(path), re.MULTILINE), f"{path}::{name}"
