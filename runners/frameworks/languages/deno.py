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
    told = tree.json(manifest) if manifest else {}
    tasks = told["tasks"] if isinstance(told.get("tasks"), dict) else {}
    task = _line(tasks.get("start"))
    entry = _entry(tree, task)
    if manifest is None and (tree.has("package.json") or not entry or not _IS_DENO.search(tree.text(entry))):
        return None
    text = tree.text(entry) if entry else ""
    known = tree.text(manifest) if manifest else ""
    framework = next((name for pattern, name in FRAMEWORKS if pattern.search(known) or pattern.search(text)), None)
    served = bool(_EXPORTS.search(text)) and not _SERVES.search(text)
    why = {"language": f"{manifest} is there" if manifest else f"{entry} is written for Deno"}
    if framework:
        why["framework"] = f"{manifest or entry} names {framework}"
    serves = framework or served or task or any(_SERVES.search(tree.text(name)) for name in clues.sources(tree, ".ts"))
    return Plan(
        language="deno",
        kind="server" if serves else "cli",
        framework=framework,
        package_manager="deno",
        entry=entry,
        port=clues.port_in(text, 8000),
        version=clues.version_tool(tree, "deno") or clues.version_file(tree, ".dvmrc"),
        manifests=tuple(name for name in ("deno.json", "deno.jsonc", "deno.lock") if tree.has(name)),
        install=(f"deno cache {entry}",) if entry else (),
        build="deno task build" if _line(tasks.get("build")) else None,
        start=_start(task, entry, served),
        env={"DENO_DIR": ".deno", "DENO_NO_UPDATE_CHECK": "1"},
        why=why,
    )


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


def _line(task: object) -> str:
    command = task.get("command") if isinstance(task, dict) else task
    return command if isinstance(command, str) else ""
