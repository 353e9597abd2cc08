"""Which versions lie in the ranges of advisories."""

from __future__ import annotations

import itertools

import pytest

from bot.scanners.dependencies import Ecosystem
from bot.scanners.dependencies.versions import canonical, key, within


def test_versions_of_python_are_sorted_as_pep_440_says() -> None:
    told = "1.0.dev1 1.0a1.dev1 1.0a1 1.0a2 1.0b1 1.0rc1.dev1 1.0rc1 1.0 1.0.post1.dev1 1.0.post1 1.0.1 1.9 1.10 1!0.1"
    for one, other in itertools.pairwise(told.split()):
        before, after = key("pip", one), key("pip", other)
        assert before is not None and after is not None and before < after, (one, other)


def test_versions_of_node_are_sorted_as_semver_says() -> None:
    told = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.2 1.2.0 2.0.0"
    for one, other in itertools.pairwise(told.split()):
        before, after = key("npm", one), key("npm", other)
        assert before is not None and after is not None and before < after, (one, other)


@pytest.mark.parametrize(
    ("ecosystem", "version", "bounds", "lies"),
    [
        ("pip", "0.12", "< 0.12.3", True),
        ("pip", "0.12.3", "< 0.12.3", False),
        ("pip", "2.0", ">= 2.0.0, < 2.3", True),
        ("pip", "2.0rc1", ">= 2.0.0, < 2.3", False),
        ("pip", "1.5", ">= 2.0, < 2.3", False),
        ("npm", "4.17.20", "<= 4.17.20", True),
        ("npm", "1.2.3", "= 1.2.3", True),
        ("npm", "1.2.3", ">= 0", True),
        ("npm", "1.2.3-beta.1", "< 1.2.3", True),
        ("npm", "1.2.3", "whatever", None),
        ("pip", "not a version", "< 2", None),
    ],
)
def test_a_version_lies_in_a_range_or_nobody_can_say(
    ecosystem: Ecosystem, version: str, bounds: str, lies: bool | None
) -> None:
    assert within(ecosystem, version, bounds) is lies


def test_the_same_version_has_one_text() -> None:
    assert canonical("pip", "1.0") == canonical("pip", "1.0.0") == canonical("pip", "v1")
    assert canonical("pip", "2.0-rc.1") == canonical("pip", "2.0rc1")
    assert canonical("pip", "2.0rc1") != canonical("pip", "2.0")
    assert canonical("npm", "1.0.0+build") == canonical("npm", "v1.0.0")
