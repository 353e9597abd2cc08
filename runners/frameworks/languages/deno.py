"""Deno: Fresh, Oak, Hono, or a file that serves; what a task starts, unless it watches files."""

from __future__ import annotations

import re

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree

FRAMEWORKS = (
    (re.compile(r"[@/]fresh\b|\$fresh|jsr:@fresh"), "fresh"),
    (re.compile(r"\boak\b"), "oak"),
    (re.compile(r"\bhono\b"), "hono"),
)
_NAMES = ("main", "server", "app", "index", "mod", "src/main", "src/server", "src/app", "src/index", "src/mod")
_FILES = tuple(f"{name}.{ending}" for name in _NAMES for ending in ("ts", "tsx", "js", "mjs"))
_IS_DENO = re.compile(r"\bDeno\.|https://deno\.land/|[\"']jsr:")
_SERVES = re.compile(r"Deno\.(?:serve|listen)|\bserve\(|\.listen\(|createServer")
_EXPORTS = re.compile(r"export\s+default\s+(?:\{[^}]{0,500}\bfetch\b|app\b)")
_DEVELOPS = re.compile(r"--watch|\bdev\.ts\b|\bvite\b(?! build)|\bdeno task dev\b")
_FILE = re.compile(r"(?<!\S)(?:\./)?([\w./-]+\.[cm]?[jt]sx?)(?!\S)")


def detect(tree: Tree) -> Plan | None:
    manifest = tree.first("deno.json", "deno.jsonc")
    task = _task(tree, manifest, "start")
    entry = _entry(tree, task)
    if manifest is None and not _is_deno(tree, entry):
        return None
    named = [name for name in (manifest, entry) if name]
    framework = _framework(tree, named)
    text = tree.text(entry or "")
    served = _EXPORTS.search(text) is not None and not _SERVES.search(text)
    return Plan(
        language="deno",
        kind="server" if framework or served or task or _listens(tree) else "cli",
        framework=framework,
        package_manager="deno",
        entry=entry,
        port=clues.port_in(text, 8000),
        version=_version(tree),
        manifests=tree.there("deno.json", "deno.jsonc", "deno.lock"),
        install=(f"deno cache {entry}",) if entry else (),
        build="deno task build" if _task(tree, manifest, "build") else None,
        start=_start(task, entry, served),
        env={"DENO_DIR": ".deno", "DENO_NO_UPDATE_CHECK": "1"},
        why=_why(manifest, named[0], framework),
    )


def _is_deno(tree: Tree, entry: str | None) -> bool:
    """Without a manifest of its own: the code says so, and no package.json says something else."""
    return not tree.has("package.json") and _IS_DENO.search(tree.text(entry or "")) is not None


def _listens(tree: Tree) -> bool:
    return clues.mentions(tree, clues.sources(tree, ".ts"), _SERVES) is not None


def _why(manifest: str | None, first: str, framework: str | None) -> dict[str, str]:
    return clues.evidence(
        language=f"{first} is {'there' if manifest else 'written for Deno'}",
        framework=framework and f"{first} names {framework}",
    )


def _framework(tree: Tree, names: list[str]) -> str | None:
    return next((name for pattern, name in FRAMEWORKS if clues.mentions(tree, names, pattern)), None)


def _version(tree: Tree) -> str | None:
    return clues.version_tool(tree, "deno") or clues.version_file(tree, ".dvmrc")


def _start(task: str, entry: str | None, served: bool) -> str | None:
    told = "DENO_SERVE_ADDRESS=tcp:$HOST:$PORT "
    if task and not _DEVELOPS.search(task):
        return f"{told}deno task start"
    if entry is None:
        return None
    return (
        f"deno serve --allow-all --host $HOST --port $PORT {entry}" if served else f"{told}deno run --allow-all {entry}"
    )


def _entry(tree: Tree, task: str) -> str | None:
    named = [name for name in _FILE.findall(task) if tree.has(name) and "dev." not in name]
    if named:
        return str(named[-1])
    there = [name for name in _FILES if tree.has(name)]
    return next((name for name in there if _SERVES.search(tree.text(name))), there[0] if there else None)


def _task(tree: Tree, manifest: str | None, name: str) -> str:
    """The command line of a task; "" when there is none."""
    tasks = tree.json(manifest or "").get("tasks")
    task = tasks.get(name) if isinstance(tasks, dict) else None
    command = task.get("command") if isinstance(task, dict) else task
    return command if isinstance(command, str) else ""
