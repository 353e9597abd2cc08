"""A package.json and what stands around it."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from runners.frameworks.tree import Tree, forgiven

# What is left open runs to the end, so that a hostile file can't make the search start over and over.
_JSON5 = re.compile(r"\"(?:\\.|[^\"\\])*\"?|'((?:\\.|[^'\\])*)'?|(?<![\w$])([A-Za-z_$][\w$]*)(?=\s*:)")

MAX_SCRIPT = 4000  # characters; a longer one is no command line

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|(?<![:\"'`])//[^\n]*", re.DOTALL)
_RUN = re.compile(
    r"(?<![\w-])(?:npm(?:\s+run(?:-script)?)?|pnpm(?:\s+run)?|yarn(?:\s+run)?|bun\s+run|run-s|node\s+--run)\s+([\w:.-]+)"
)


@dataclasses.dataclass(frozen=True)
class Package:
    """`raw` is package.json; {} when there is none."""

    tree: Tree
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, tree: Tree) -> Package:
        return cls(tree, tree.json("package.json") or _json5(tree.text("package.json5")))

    @functools.cached_property
    def deps(self) -> Mapping[str, str]:
        """Everything that gets installed, name -> wanted version."""
        found: dict[str, str] = {}
        for key in ("devDependencies", "optionalDependencies", "dependencies"):
            found.update({str(k): str(v) for k, v in _table(self.raw, key).items()})
        return found

    @functools.cached_property
    def scripts(self) -> Mapping[str, str]:
        found = {k: v.strip() for k, v in _table(self.raw, "scripts").items() if isinstance(v, str)}
        return {k: v for k, v in found.items() if 0 < len(v) <= MAX_SCRIPT}

    def has(self, *names: str) -> str | None:
        """The first of these packages that it names."""
        return next((name for name in names if name in self.deps), None)

    def script(self, *names: str) -> tuple[str, str] | None:
        """The first of these scripts that is there, with its text."""
        return next(((name, self.scripts[name]) for name in names if name in self.scripts), None)

    def spelled(self, text: str, depth: int = 3) -> str:
        """A script with the scripts that it runs written out."""

        def written(found: re.Match[str]) -> str:
            inner = self.scripts.get(found.group(1))
            if inner is None or depth == 0 or inner == text:
                return found.group(0)
            return self.spelled(inner, depth - 1)

        return _RUN.sub(written, text, count=8)

    def config(self, *stems: str) -> str:
        """The text of the first configuration file with one of these names, whatever its ending."""
        for stem in stems:
            name = self.tree.first(*(f"{stem}.{end}" for end in ("js", "mjs", "cjs", "ts", "mts", "cts", "json")))
            if name:
                return without_comments(self.tree.text(name))
        return ""

    @property
    def workspaces(self) -> list[str]:
        """Patterns of the folders whose packages are installed along."""
        found = self.raw.get("workspaces")
        found = found.get("packages") if isinstance(found, dict) else found
        listed = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
        return listed or _yaml_list(self.tree.text("pnpm-workspace.yaml"), "packages")


def without_comments(code: str) -> str:
    """JavaScript without line and block comments; strings that look like them suffer, which does not matter here."""
    return _COMMENT.sub("", code)


def _json5(text: str) -> Mapping[str, Any]:
    """JSON as pnpm reads it too: names without quotes, texts in single ones; {} when it is none."""

    def quoted(found: re.Match[str]) -> str:
        if found.group(1) is not None:
            return json.dumps(found.group(1).replace("\\'", "'"))
        return f'"{found.group(2)}"' if found.group(2) else found.group(0)

    try:
        found = json.loads(_JSON5.sub(quoted, forgiven(text)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, Mapping) else {}


def _yaml_list(text: str, key: str) -> list[str]:
    """The items of one list of a simple YAML file."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        item = line.split(" #")[0].strip()
        if line[:1] not in (" ", "\t", "-", "#", ""):
            inside = item == f"{key}:"
        elif inside and item.startswith("-"):
            found.append(item[1:].strip().strip("'\""))
    return found
