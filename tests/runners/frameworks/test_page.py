"""docs/detection.md is true of the tables."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from runners.base import Plan
from runners.frameworks.languages import deno, dotnet, elixir, go, java, php, rows, ruby, rust, sites
from runners.frameworks.node import rows as node_rows
from runners.frameworks.python import rows as python_rows

ROOMS = (deno, dotnet, elixir, go, java, php, ruby, rust, sites)
PAGE = (Path(__file__).parents[3] / "docs" / "detection.md").read_text()
NAMES = {
    *(row.name for row in python_rows.ROWS if row.name),
    *(row.name for row in node_rows.ROWS),
    *(name for room in ROOMS for _, name in room.FRAMEWORKS),
    *(name for row in rows.ROWS for _, name in row.words),
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_page_names_every_framework(name: str) -> None:
    assert re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", PAGE)


def test_the_page_explains_every_field_of_a_plan() -> None:
    told = set(re.findall(r"`(\w+)`", PAGE))

    assert {field.name for field in dataclasses.fields(Plan)} <= told
