"""Bun without a package.json: a lone file that only Bun can serve.  With one, it is Node's room."""

from __future__ import annotations

import re

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.node.install import TOOLS
from runners.frameworks.tree import Tree

FRAMEWORKS: tuple[tuple[str, str], ...] = ()
_NAMES = ("index", "server", "main", "app", "src/index", "src/server", "src/main", "src/app")
_FILES = tuple(f"{name}.{ending}" for name in _NAMES for ending in ("ts", "tsx", "js", "mjs"))
_SERVES = re.compile(r"\bBun\.(?:serve|listen)\b")


def detect(tree: Tree) -> Plan | None:
    if tree.has("package.json"):
        return None
    entry = clues.mentions(tree, tree.there(*_FILES), _SERVES)
    if entry is None:
        return None
    return Plan(
        language="node",
        kind="server",
        package_manager="bun",
        entry=entry,
        port=clues.port_in(tree.text(entry), 3000),
        install=(f"npm install --no-audit --no-fund --prefix {TOOLS} bun",),
        start=f'PATH="$PWD/{TOOLS}/node_modules/.bin:$PATH"; bun {entry}',
        why={"language": f"{entry} calls Bun.serve", "package_manager": f"{entry} calls Bun.serve"},
    )
