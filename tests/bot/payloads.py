"""GitHub's own example deliveries, where the contract kit is at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "contract"
_FOLDER = Path(os.environ.get("SLIPWAY_CONTRACT") or _BESIDE) / "webhooks"


def all_payloads() -> list[Any]:
    """(event, payload) for each example, as parameters with the example's path for a name."""
    paths = sorted(_FOLDER.glob("*/*.json"))
    if not paths:
        missing = pytest.mark.skip(reason="no contract kit; set SLIPWAY_CONTRACT to its folder")
        return [pytest.param("", {}, marks=missing)]
    return [pytest.param(path.parent.name, json.loads(path.read_bytes()), id=_name(path)) for path in paths]


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"
