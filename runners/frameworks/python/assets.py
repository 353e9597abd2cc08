"""What a Python app serves and npm builds: a CSS build beside it, or a front end in a folder."""

from __future__ import annotations

import dataclasses
import re
from shlex import quote

from runners.base import Plan
from runners.frameworks.node import install
from runners.frameworks.node.commands import is_dev
from runners.frameworks.node.package import Package
from runners.frameworks.python.source import candidates
from runners.frameworks.tree import Tree


def with_assets(tree: Tree, plan: Plan) -> Plan:
    """Add the build of what the app serves.  It is left out, and said so in the log, where npm is not at hand."""
    folder = _folder(tree)
    if folder is None:
        return plan
    package = Package.read(tree.below(folder) if folder else tree)
    manager = install.manager(package)
    go = f"cd {quote(folder)} && " if folder else ""
    steps = f"{go}{install.line(package, manager)} && {install.run(package, manager, 'build')}"
    line = f"if command -v npm >/dev/null; then ({steps}); else echo 'npm is not here: assets are not built'; fi"
    where = f"{folder}/package.json" if folder else "package.json"
    return dataclasses.replace(
        plan,
        build=f"{plan.build} && {line}" if plan.build else line,
        why={**plan.why, "build": f"{where} builds what the app serves"},
    )


def _folder(tree: Tree) -> str | None:
    """ "" is the root; None: npm builds nothing for this app."""
    if _builds(tree):
        return ""
    for folder in tree.folders:
        if not (tree.has(f"{folder}/package.json") and _builds(tree.below(folder))):
            continue
        served = re.compile(rf"\b{re.escape(folder)}[\"']?\s*[/,]\s*[\"']?(?:dist|build|out)\b")
        if any(served.search(tree.text(name)) for name in candidates(tree)[:40]):
            return folder
    return None


def _builds(tree: Tree) -> bool:
    package = Package.read(tree)
    text = package.scripts.get("build")
    return bool(text) and bool(package.deps) and not is_dev(package.spelled(str(text)))
