"""Foreign manifests and locks, as requirements that one installer reads."""

from __future__ import annotations

from typing import Any

import pytest

from runners.frameworks.python.locks import from_pipfile, from_toml, requirement


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ("*", "x"),
        ("^1.2.3", "x>=1.2.3,<2"),
        ("^0.2.3", "x>=0.2.3,<0.3"),
        ("^0.0.3", "x>=0.0.3,<0.0.4"),
        ("^0", "x>=0,<1"),
        ("~1.2", "x>=1.2,<1.3"),
        ("~1", "x>=1,<2"),
        ("1.2.3", "x==1.2.3"),
        ("1.*", "x==1.*"),
        (">=1,<3", "x>=1,<3"),
        ("~=1.4", "x~=1.4"),
        ({"version": "^2", "extras": ["a", "b"]}, "x[a,b]>=2,<3"),
        ({"version": "*", "markers": "sys_platform == 'linux'"}, "x ; sys_platform == 'linux'"),
        ({"git": "https://example.com/x.git", "tag": "v1"}, "x @ git+https://example.com/x.git@v1"),
        ({"path": "../x"}, None),
        ({"version": "1", "optional": True}, None),
        (["odd"], None),
    ],
)
def test_a_loose_wish_becomes_a_requirement(wanted: Any, line: str | None) -> None:
    assert requirement("x", wanted) == line


def test_only_the_main_group_of_a_lock_is_installed() -> None:
    lock = {
        "package": [
            {"name": "a", "version": "1", "category": "main"},
            {"name": "b", "version": "2", "category": "dev"},
            {"name": "c", "version": "3", "groups": ["main", "dev"], "markers": {"main": "os_name == 'nt'"}},
            {"name": "d", "version": "4", "optional": True},
        ],
        "metadata": {"files": {"a": [{"file": "a.whl", "hash": "sha256:1"}]}},
    }

    assert from_toml(lock) == "a==1 \\\n    --hash=sha256:1\nc==3 ; os_name == 'nt'\n"


@pytest.mark.parametrize("kind", ["git", "directory", "file", "url"])
def test_a_lock_with_packages_that_no_index_has_is_not_converted(kind: str) -> None:
    assert from_toml({"package": [{"name": "a", "version": "1", "source": {"type": kind}}]}) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"default": 3}', '{"default": {"a": 3}}', '{"default": {"a": {}}}'])
def test_a_broken_pipfile_lock_is_no_lock(text: str) -> None:
    assert from_pipfile(text) is None
