"""What a project's settings for a host say of it: how it starts, where its build goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from runners.frameworks.tree import Tree

_PLAIN = re.compile(r"[\w-][\w./-]{0,200}")
_RENDER = re.compile(r"^[ \t]+startCommand:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_OTHER = re.compile(r"\brootDir:|\btype:[ \t]*(?:worker|cron|pserv)\b")
_ENTRYPOINT = re.compile(r"^entrypoint:[ \t]*(\S[^\n]*)$", re.MULTILINE)


def starts(tree: Tree) -> Iterator[tuple[str, str]]:
    """Command lines, each with the file that says it."""
    for name, keys in (
        ("railway.json", ("deploy", "startCommand")),
        ("railpack.json", ("deploy", "startCommand")),
        ("railway.toml", ("deploy", "startCommand")),
        ("nixpacks.toml", ("start", "cmd")),
        ("fly.toml", ("processes", "app")),
        ("fly.toml", ("processes", "web")),
    ):
        if tree.has(name) and (line := _text(_read(tree, name), *keys)):
            yield line, name
    web = tree.text("render.yaml")
    found = _RENDER.findall(web)
    if len(found) == 1 and not _OTHER.search(web):
        yield _unquoted(found[0]), "render.yaml"
    entry = _ENTRYPOINT.search(tree.text("app.yaml"))
    if entry:
        yield _unquoted(entry.group(1)), "app.yaml"


def output(tree: Tree) -> tuple[str, str] | None:
    """The folder that is published after the build, and the file that says it."""
    netlify = _read(tree, "netlify.toml") if tree.has("netlify.toml") else {}
    out = _text(netlify, "build", "publish") if _text(netlify, "build", "base") in ("", ".", "/") else ""
    for name, value in (("netlify.toml", out), ("vercel.json", _text(_read(tree, "vercel.json"), "outputDirectory"))):
        folder = value.removeprefix("./").strip("/")
        if _PLAIN.fullmatch(folder) and ".." not in folder:
            return folder, name
    return None


def build(tree: Tree) -> str:
    """The command line that builds it; "": none is told."""
    return _text(_read(tree, "netlify.toml"), "build", "command") or _text(_read(tree, "vercel.json"), "buildCommand")


def _read(tree: Tree, name: str) -> dict[str, Any]:
    return tree.toml(name) if name.endswith(".toml") else tree.json(name)


def _text(raw: dict[str, Any], *keys: str) -> str:
    found: Any = raw
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found.strip() if isinstance(found, str) else ""


def _unquoted(line: str) -> str:
    line = line.strip()
    return line[1:-1] if len(line) > 1 and line[0] == line[-1] and line[0] in "\"'" else line
