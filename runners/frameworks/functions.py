"""Programs that are one function, which a framework serves: its name is in the code, or told to the buildpacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from runners.frameworks.tree import Tree

NAME = re.compile(r"[A-Za-z_]\w{0,100}")

_VARIABLE = "GOOGLE_FUNCTION_TARGET"


def told(tree: Tree) -> str | None:
    """The function that project.toml names for the build."""
    raw = tree.toml("project.toml")
    for one in (*_variables(raw), *_variables(_table(_table(raw, "io"), "buildpacks"))):
        value = one.get("value")
        if one.get("name") == _VARIABLE and isinstance(value, str) and NAME.fullmatch(value):
            return value
    return None


def _variables(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    build = _table(raw, "build")
    for listed in (build.get("env"), _table(build, "env").get("build")):
        yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _table(raw: dict[str, Any], key: str) -> dict[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}
