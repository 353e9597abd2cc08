"""A `Procfile` with a `web:` line: the start is exactly what it says, the rest is detected as usual."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from runners.base import Plan
from runners.frameworks import node, python
from runners.frameworks import told as hosts
from runners.frameworks.node.commands import is_dev
from runners.frameworks.tree import Tree, words

_LINE = re.compile(r"^([A-Za-z0-9_-]+):[ \t]*(\S.*)$", re.MULTILINE)
_CD = re.compile(r"cd[ \t]+(?:\./)?([\w./-]+?)/?[ \t]*&&[ \t]*(.+)")
_TARGET = re.compile(r"(?:^|\s)['\"]?([A-Za-z_][\w.]*:[A-Za-z_]\w*)")
_FILE = re.compile(r"(?:^|\s)(?:\./)?([\w./-]+\.(?:py|[cm]?[jt]sx?))(?=\s|$)")
_DEVELOPS = re.compile(  # servers for developing that Python has
    r"\brunserver\b|--reload\b|--debug\b|\bfastapi\s+dev\b|\bflask\b.{0,80}\srun\b|-m\s+http\.server\b"
)
_SPEAKS = {
    "python": words("python python3 gunicorn uvicorn hypercorn daphne waitress-serve uv streamlit flask"),
    "node": words("node npm npx yarn pnpm next tsx"),
}


def web(tree: Tree) -> str | None:
    """The command line of `web:`; the file is read as lines, because `:` and `#` may stand in commands."""
    return _line(tree, "web")


def released(tree: Tree, plan: Plan) -> Plan:
    """With the command line of `release:`, which nobody guesses: it changes what lives longer than the program.

    It is meant from where the Procfile lies, and files that a router serves have nowhere to run it."""
    line = _line(tree, "release")
    if line is None or plan.kind != "server" or plan.release is not None:
        return plan
    up = "" if plan.root == "." else f"cd {'/'.join('..' for _ in plan.root.split('/'))} && "
    return dataclasses.replace(plan, release=up + line, why={**plan.why, "release": "Procfile says release:"})


def _line(tree: Tree, name: str) -> str | None:
    line = dict(_LINE.findall(tree.text("Procfile"))).get(name)
    return line.rstrip() if line else None


def detect(tree: Tree, rest: Callable[[Tree], Plan | None]) -> Plan | None:
    line = web(tree)
    return _started(tree, rest(tree), line, "Procfile's web:") if line is not None else None


def told(tree: Tree, rest: Callable[[Tree], Plan | None]) -> Plan | None:
    """The same by what a host's settings say, where they name a file that is there and that we would not start."""
    for line, name in hosts.starts(tree):
        entry = _entry(line)
        files = _files(entry) if entry and not (is_dev(line) or _DEVELOPS.search(line)) else ()
        if not any(tree.has(file) and not _apart(tree, file) for file in files):
            continue
        found = rest(tree)
        ours = found.entry if found and found.kind == "server" else None
        return found if ours and {*files} & {*_files(ours)} else _started(tree, found, line, name)
    return None


def _files(entry: str) -> tuple[str, ...]:
    """Where what an entry names may lie."""
    module = entry.partition(":")[0].replace(".", "/")
    return (f"{module}.py", f"{module}/__init__.py") if ":" in entry else (entry,)


def _apart(tree: Tree, file: str) -> bool:
    """It belongs to a project of its own in a folder, which is found when that is looked at."""
    top = file.partition("/")[0]
    return "/" in file and any(
        tree.has(f"{top}/{one}") for one in ("package.json", "requirements.txt", "pyproject.toml")
    )


def _started(tree: Tree, found: Plan | None, line: str, says: str) -> Plan:
    inside = _inside(found, line) if found else None
    if inside:
        found, line = inside
    elif found is None or found.kind == "multi" or found.language == "static" or found.root != ".":
        found = _bare(tree, line)
    why = {**found.why, "start": f"{says} says so"}
    entry = _entry(line)
    if entry:
        why["entry"] = f"named in {says}"
    elif found.language not in _SPEAKS:
        entry = found.entry  # a program that was built says nothing of its source
    install = found.install
    if found.language == "python":
        below = tree if found.root == "." else tree.below(found.root)
        install = (*install, *python.supply(below, line, install))
    named = _framework(tree, found, entry)
    if named:
        found, why["framework"] = dataclasses.replace(found, framework=named), "the strongest that it asks for"
    plan = dataclasses.replace(
        found, kind="server", start=line, entry=entry, install=install, static_dir=None, fallback=False, why=why
    )
    return released(tree, plan)


def _framework(tree: Tree, found: Plan, entry: str | None) -> str | None:
    """What a program is made with that only the line shows to serve."""
    if found.framework is not None or entry is None:
        return None
    below = tree if found.root == "." else tree.below(found.root)
    if found.language == "node":
        return node.asked(below)
    return python.asked(below) if found.language == "python" and ":" in entry else None


def _inside(found: Plan, line: str) -> tuple[Plan, str] | None:
    """`cd backend && gunicorn ...` starts the service of that folder."""
    named = _CD.match(line)
    for part in (found, *found.parts):
        if named and part.root == named.group(1) and part.language != "static":
            return part, named.group(2)
    return None


def _entry(line: str) -> str | None:
    found = _TARGET.search(line) or _FILE.search(line)
    return found.group(1) if found else None


def _bare(tree: Tree, line: str) -> Plan:
    """Nothing but the line is known: the first word says which language it needs."""
    first = line.split(maxsplit=1)[0].rpartition("/")[2]
    for language, programs in _SPEAKS.items():
        if first in programs:
            why = {"language": f"Procfile's web: starts {first}"}
            plan = Plan(language=language, kind="server", why=why)
            return python.installed(tree, plan) if language == "python" else plan
    return Plan(language="procfile", kind="server", why={"language": "Procfile says how to start it"})
