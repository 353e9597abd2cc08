"""What a policy may say and nothing acts on is told, field by field."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from bot.policy.fields import NOT_YET, leaves, not_yet
from bot.policy.terms import AutoRollback
from bot.releases.verdict import left_to_people


def test_what_has_no_effect_yet_is_in_the_schema_and_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/policy.md").read_text()
    told = page[page.index("**Not acted on yet**") :].split("\n\n")[0]
    for pattern in NOT_YET:
        assert any(fnmatch.fnmatchcase(path, pattern) for path in leaves()), pattern
        last = pattern.split(".")[-1]
        assert (last if last != "*" else pattern.split(".")[-2]) in told, pattern


def test_what_is_acted_on_is_not_said_to_be_idle() -> None:
    for path in ("environments.production.health.path", "preview.forks", "environments.staging.soak"):
        assert not not_yet(path)


@pytest.mark.parametrize(
    ("auto", "age", "lately", "why"),
    [
        (AutoRollback(), 10.0, 5, None),
        (AutoRollback(on=frozenset()), 10.0, 0, "rolls nothing back"),
        (AutoRollback(max_age=60), 60.0, 0, None),
        (AutoRollback(max_age=60), 61.0, 0, "more than 60 s"),
        (AutoRollback(max_per_hour=1), 10.0, 0, None),
        (AutoRollback(max_per_hour=1), 10.0, 1, "within an hour"),
    ],
)
def test_some_failures_are_left_to_people(auto: AutoRollback, age: float, lately: int, why: str | None) -> None:
    words = left_to_people(auto, age, lately)
    assert (words is None) == (why is None)
    assert why is None or why in str(words)
