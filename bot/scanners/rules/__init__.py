"""The rules that tools are started with, laid out where a tool may read and not change them.

njsscan is never imported: its rule files are all we want of it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

_PACKER = 1  # counts up when what is packed changes
_REGEXES = {  # njsscan's own matcher reads these: for which files we ask the engine to
    "handlebar_mustache_template": ("*.hbs", "*.handlebars", "*.mustache", "*.hdbs"),
    "dust_template": ("*.dust", "*.tl"),
    "pug_jade_template": ("*.pug", "*.jade"),
    "ejs_ect_template": ("*.ejs", "*.ect"),
    "vue_template": ("*.vue",),
    "squirrelly_template": ("*.html", "*.njk", "*.sqrl"),
    "electronjs_node_integration": ("*.html",),
    "electronjs_disable_websecurity": ("*.html",),
}
TEMPLATES = tuple(sorted({pattern[1:] for patterns in _REGEXES.values() for pattern in patterns}))
_GOOD = "good"  # rules there tell of what is done well


def njsscan() -> Path | None:
    """Where its rule files lie, when it is installed."""
    found = importlib.util.find_spec("njsscan")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "rules"
    return folder if folder.is_dir() else None


def packed(folder: Path, rules: Path) -> Path:
    """All of njsscan's rules in one file, made when it is not there yet.  Blocks.

    One file of JSON, each id once: the engine reads it ten times as fast as a hundred of YAML, and drops findings of
    rules that share an id."""
    version = importlib.metadata.version("njsscan")
    target = folder / f"njsscan-{version}-{_PACKER}.json"
    return target if target.exists() else written(target, json.dumps({"rules": merged(rules)}))


class NoRules(OSError):
    """There are none, or what is there is no rule."""


def written_in(folder: Path) -> list[Path]:
    """The files of a folder that hold rules."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml", ".json") and path.is_file())


def team(folder: Path, rules: Path) -> Path:
    """A team's own rules in one file, made when they have changed.  Raises NoRules.  Blocks."""
    found: list[dict[str, Any]] = []
    for path in written_in(rules):
        try:
            held = _read(path)
            found += [dict(rule, id=str(rule["id"])) for rule in held["rules"]]
        except (yaml.YAMLError, ValueError, TypeError, LookupError) as error:
            raise NoRules(f"{path.name} in the folder of rules holds none") from error
    if not found:
        raise NoRules("the folder of rules holds none")
    text = json.dumps({"rules": _unique(found)}, sort_keys=True, default=str)
    return written(folder / f"team-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json", text)


def merged(rules: Path) -> list[dict[str, Any]]:
    """njsscan's rules as the engine takes them."""
    found: list[dict[str, Any]] = []
    for path in sorted((rules / "semantic_grep").rglob("*.y*ml")):
        if _GOOD not in path.relative_to(rules).parts:
            found += _read(path)["rules"]
    for path in sorted((rules / "pattern_matcher").rglob("*.y*ml")):
        found += [_regex(rule) for rule in _read(path) if rule["id"] in _REGEXES]
    return _unique(found)


def written(target: Path, text: str) -> Path:
    """A file with exactly this in it, never seen half.  Blocks."""
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o644)
            file.write(text)
        Path(fresh).replace(target)
    return target


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def _regex(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": rule["id"],
        "message": rule["message"],
        "severity": "WARNING",  # a pattern over text, which may well be meant so
        "languages": ["regex"],
        "pattern-regex": rule["pattern"],
        "paths": {"include": list(_REGEXES[rule["id"]])},
        "metadata": rule.get("metadata", {}),
    }


def _unique(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: set[str] = set()
    for rule in rules:
        if rule["id"] in seen:
            rule["id"] += "-" + hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()[:6]
        seen.add(rule["id"])
    return rules
