"""The bench of a decision runs, and has an answer for every rule."""

from __future__ import annotations

import json
from pathlib import Path

from bench.policy import main


def test_it_measures_a_decision(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"

    main(["--rounds", "2", "--json", str(figures)])  # whether that is quick is not for a test to say

    assert json.loads(figures.read_text())
