"""Go: a module, a workspace, or files alone.  The package that has main() is found by reading."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree, folder_of

FRAMEWORKS = (
    ("gin-gonic/gin", "gin"),
    ("labstack/echo", "echo"),
    ("gofiber/fiber", "fiber"),
    ("go-chi/chi", "chi"),
    ("beego/beego", "beego"),
)
_PORTS: Mapping[str | None, int] = {"echo": 1323, "fiber": 3000, "chi": 3000}
_VERSION = re.compile(r"^go\s+(\d+\.\d+)", re.MULTILINE)
_MAIN = re.compile(r"^func\s+main\s*\(\s*\)", re.MULTILINE)
_SERVES = re.compile(
    r"ListenAndServe|http\.Serve|net\.Listen|http\.Server\{|fasthttp|grpc\.NewServer|cgi\.Serve|funcframework\.Start"
)
_STARTED = re.compile(r"^web:\s*(?:\./)?(bin/[\w.-]+)", re.MULTILINE)  # what a Procfile wants to find
_USUAL = ("server", "web", "api", "app", "main")


def detect(tree: Tree) -> Plan | None:
    manifest = tree.first("go.mod", "go.work", "main.go")
    mains = _mains(tree) if manifest else []
    if manifest is None or (manifest == "main.go" and not mains):
        return None
    entry = mains[0] if mains else None
    framework = _framework(tree)
    serving = clues.mentions(tree, [*mains[:1], *clues.sources(tree, ".go")], _SERVES)
    build, start = _lines(tree, entry)
    return Plan(
        language="go",
        kind="server" if framework or serving else "cli",
        framework=framework,
        package_manager="go",
        entry=entry,
        port=clues.port_in(tree.text(entry or ""), _PORTS.get(framework, 8080)),
        version=_version(tree),
        manifests=tree.there("go.mod", "go.sum", "go.work", "go.work.sum"),
        install=("go mod download",) if tree.has("go.sum") and tree.has("go.mod") else (),
        build=build,
        start=start,
        env={"GIN_MODE": "release"} if framework == "gin" else {},
        why=_why(manifest, framework, serving, entry),
    )


def _why(manifest: str, framework: str | None, serving: str | None, entry: str | None) -> dict[str, str]:
    return clues.evidence(
        language=f"{manifest} is there",
        framework=framework and f"go.mod names {framework}",
        kind=f"{serving} listens" if serving and not framework else None,
        entry=entry and f"{entry} has main()",
    )


def _framework(tree: Tree) -> str | None:
    """What a module asks for itself, not what comes with that."""
    mods = [tree.text(name) for name in tree.ending("go.mod", depth=2)][:10]
    direct = "\n".join(line for text in mods for line in text.splitlines() if "// indirect" not in line)
    return next((name for word, name in FRAMEWORKS if f"{word}/" in direct or f"{word} " in direct), None)


def _lines(tree: Tree, entry: str | None) -> tuple[str | None, str | None]:
    """How it is built and started; not at all when there is nothing to build."""
    if entry is None and not tree.has("go.mod"):
        return None, None
    output = next(iter(_STARTED.findall(tree.text("Procfile"))), clues.program(tree))
    return f"go build -o {output} {_package(tree, entry)}", f"./{output}"


def _mains(tree: Tree) -> list[str]:
    """Files with main(): the root's before those below, what serves before what does not."""
    found = [name for name in clues.sources(tree, ".go") if _MAIN.search(tree.text(name))]
    return sorted(found, key=lambda name: (bool(folder_of(name)), not _serves(tree, name), _rank(name), name))


def _serves(tree: Tree, name: str) -> bool:
    text = tree.text(name)
    return bool(_SERVES.search(text)) or "net/http" in text or any(word in text for word, _ in FRAMEWORKS)


def _rank(name: str) -> int:
    last = folder_of(name).rpartition("/")[2]
    return _USUAL.index(last) if last in _USUAL else len(_USUAL)


def _package(tree: Tree, entry: str | None) -> str:
    folder = folder_of(entry or "")
    if not re.fullmatch(r"[\w./@+-]*", folder):
        folder = ""
    if not tree.has("go.mod") and not tree.has("go.work"):
        return "*.go"  # no module: a list of files is all that can be built
    return f"./{folder}" if folder else "."


def _version(tree: Tree) -> str | None:
    found = _VERSION.search(tree.text("go.mod")) or _VERSION.search(tree.text("go.work"))
    return (
        found.group(1) if found else clues.version_file(tree, ".go-version") or clues.version_tool(tree, "golang", "go")
    )
