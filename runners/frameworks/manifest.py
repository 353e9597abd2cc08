"""Manifests that decide how a project is built: one that can't be read is told, never passed over."""

from __future__ import annotations

import json
import re

from runners.frameworks.tree import Tree, forgiven, read_toml

PROCFILE = "Add a file named Procfile with one line that starts it on $PORT, such as: web: python app.py"

_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class NotDetected(Exception):
    """Nothing in the tree says how to run it, or what should say so can't be read; the text is for people.

    `path` and `line` are the place of the fault when there is one, `hint` is what to do about it."""

    def __init__(self, words: str, *, hint: str = PROCFILE, path: str | None = None, line: int | None = None) -> None:
        super().__init__(words)
        self.hint, self.path, self.line = hint, path, line


def json_fault(tree: Tree, name: str) -> NotDetected | None:
    """Why this file of the tree holds no JSON object; None when it does, comments and trailing commas forgiven."""
    text = tree.text(name)
    if not text.strip():
        return _fault(tree, name, "JSON", "it is empty")
    try:
        found = json.loads(forgiven(text))
    except json.JSONDecodeError as error:
        return _fault(tree, name, "JSON", f"{error.msg} (column {error.colno})", error.lineno)
    except (ValueError, RecursionError):
        return _fault(tree, name, "JSON", "a number of it is too long, or it is nested too deep")
    return None if isinstance(found, dict) else _fault(tree, name, "JSON", "it is no object in braces")


def toml_fault(tree: Tree, name: str) -> NotDetected | None:
    """Why this file of the tree is no TOML; None when it is."""
    try:
        read_toml(tree.text(name))
    except ValueError as error:
        found = _AT.search(str(error))
        line = int(found.group(1)) if found and found.group(1) else None
        return _fault(tree, name, "TOML", _AT.sub("", str(error)), line)
    except RecursionError:
        return _fault(tree, name, "TOML", "it is nested too deep")
    return None


def _fault(tree: Tree, name: str, language: str, words: str, line: int | None = None) -> NotDetected:
    path = name if tree.root == "." else f"{tree.root}/{name}"
    at = f"{path} line {line}" if line else path
    return NotDetected(f"{at} can't be read as {language}: {words}.", hint=f"Correct {path}.", path=path, line=line)
