"""What starts a Node program in production: a script that may be used, or the file that listens."""

from __future__ import annotations

import dataclasses
import re

from runners.frameworks.node.commands import commands, is_dev, is_files
from runners.frameworks.node.package import Package, without_comments
from runners.frameworks.tree import Tree

SCRIPTS = (
    "start",
    "start:prod",
    "start:production",
    "start-prod",
    "prod",
    "production",
    "serve:prod",
    "server",
    "serve",
)
NAMES = ("server", "app", "index", "main", "bot")
FOLDERS = ("", "src/", "server/", "api/", "lib/", "bin/", "app/", "backend/", "server/src/", "src/server/")

_CODE = ("js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx")
_ENDINGS = tuple(f".{end}" for end in _CODE)
_BUILT = re.compile(r"^(dist|build|lib|out|output|\.output|bundle|\.next|compiled|js)\b")
_LISTENS = re.compile(
    r"\.listen\s*\(|createServer\s*\(|\bserve\s*\(|\b(Bun|Deno)\.serve\b|\.startServer\(|\bserver\.start\("
    r"|startStandaloneServer\(|export default (app|server)\b"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """The file that starts the program, and what says so."""

    file: str
    evidence: str
    built: bool = False  # only there after the build


def chosen(package: Package) -> tuple[str, str] | None:
    """The script that starts production: name and text.  None: there is none that may be used."""
    for name in SCRIPTS:
        text = package.scripts.get(name)
        spelled = package.spelled(text) if text else ""
        if text and not (is_dev(spelled) or is_files(spelled) or spelled.startswith(("echo ", "exit "))):
            return name, text
    return None


def entry(package: Package) -> Entry | None:
    """The program's file: named by a script, by `main`, or by custom; it exists, or the build makes it."""
    for name in ("start", "start:prod", "serve", "server", "dev", "develop"):
        for command in commands(package.spelled(package.scripts.get(name, ""))):
            file = _file(package, command.file) if command.file else None
            if file:
                return dataclasses.replace(file, evidence=f"script {name} runs it")
    for key in ("main", "module"):
        main = package.raw.get(key)
        file = _file(package, main) if isinstance(main, str) else None
        if file and (file.built or listens(package.tree, file.file)):
            return dataclasses.replace(file, evidence=f"package.json names it as {key}")
    return named(package.tree)


def named(tree: Tree) -> Entry | None:
    """A file with a usual name that listens."""
    for folder in FOLDERS:
        for name in NAMES:
            file = tree.first(*(f"{folder}{name}{ending}" for ending in _ENDINGS))
            if file and listens(tree, file):
                return Entry(file, "a usual name, and it listens")
    alone = [name for name in tree.ending(*_ENDINGS, depth=0) if listens(tree, name)]
    return Entry(alone[0], "the only file that listens") if len(alone) == 1 else None


def listens(tree: Tree, file: str) -> bool:
    """It opens a port, as far as the text shows."""
    return _LISTENS.search(without_comments(tree.text(file))) is not None


def _file(package: Package, word: str) -> Entry | None:
    """What node would run for this word."""
    word = word.strip("'\"").removeprefix("./").rstrip("/")
    if word in ("", "."):
        main = package.raw.get("main")
        word = main.removeprefix("./").rstrip("/") if isinstance(main, str) else ""
        word = word if word not in ("", ".") else "index"
    tree = package.tree
    found = tree.first(word, *(f"{word}{end}" for end in _ENDINGS), *(f"{word}/index{end}" for end in _ENDINGS))
    if found:
        return Entry(found, "")
    if _BUILT.match(word) and package.script("build", "heroku-postbuild", "compile", "prestart", "postinstall"):
        return Entry(word, "", built=True)
    return None
