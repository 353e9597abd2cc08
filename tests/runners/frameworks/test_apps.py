"""Each folder of tests/apps is a small project with what detection must say of it beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runners.base import Plan
from runners.frameworks import Tree, detect

APPS = Path(__file__).parents[2] / "apps"


def differences(expected: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What was expected beside what came, for the fields that expected.json names."""
    plain = json.loads(json.dumps(got))
    return {
        name: (wanted, plain[name]) for name, wanted in expected.items() if name != "parts" and plain[name] != wanted
    }


@pytest.mark.parametrize("name", sorted(path.name for path in APPS.iterdir()))
def test_a_project_is_known_for_what_it_is(name: str) -> None:
    expected = json.loads((APPS / name / "expected.json").read_text())

    plan = detect(Tree.read(APPS / name / "src"))

    assert differences(expected, plan.as_json()) == {}
    parts = expected.get("parts", [])
    assert len(plan.parts) == len(parts)
    for wanted, part in zip(parts, plan.parts, strict=True):
        assert differences(wanted, part.as_json()) == {}


@pytest.mark.parametrize("name", sorted(path.name for path in APPS.iterdir()))
def test_a_plan_survives_the_trip_through_json_and_says_why(name: str) -> None:
    plan = detect(Tree.read(APPS / name / "src"))

    again = Plan.from_json(json.loads(json.dumps(plan.as_json())))

    assert again.digest == plan.digest
    assert plan.why
    assert all(plan.why.values())
