"""What starts a Node program in production: a script that may be used, or the file that listens."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from runners.frameworks.node.commands import commands, is_dev, is_files
from runners.frameworks.node.package import Package, without_comments
from runners.frameworks.tree import Tree, stem

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
    r"|startStandaloneServer\("
)
# An app that is made and handed out, for a platform that listens in its place.
_EXPORTS = re.compile(
    r"^export\s{1,9}default\s{1,9}(?:\w+|\{\s{0,9}(?:port\s{0,9}:[^,\n]{1,80},\s{0,9})?(?:async\s{1,9})?fetch\b)|^module\.exports\s{0,9}=\s{0,9}\w{1,80}\s{0,9};?\s{0,9}$"
    r"|^export\s{0,9}\{[^}]{0,1000}\bas default\b",
    re.MULTILINE,
)
_FETCHES = re.compile(r"\bnew\s+(?:Hono|H3|Elysia|OpenAPIHono|AutoRouter|Itty)\b|\bcreateApp\(\)|\bfetch\s*[(:]")
_LISTENERS = re.compile(r"\bnew\s+Koa\b|\b(?:express|[fF]astify|polka|restana|App)\(")
_PORTS = (
    re.compile(
        r"PORT['\"\]]{0,3}\s{0,9}(?:,\s{0,9}(?:10|['\"]))?\s{0,9}\){0,3}\s{0,9}(?:\|\||\?\?|\?[^:\n]{1,60}:|,)\s{0,9}\(?\s{0,9}['\"]?(\d{2,5})\b"
    ),
    re.compile(r"\blisten\(\s{0,20}\{?\s{0,20}(?:port\s{0,9}:\s{0,9})?(\d{2,5})\b"),
    re.compile(r"\bport\s{0,9}[=:]\s{0,9}['\"]?(\d{2,5})\b", re.IGNORECASE),
)
_SETTINGS = ("server", "app", "config", "config/index", "env")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """The file that starts the program, and what says so."""

    file: str
    evidence: str
    built: bool = False  # only there after the build
    hands_out: str | None = None  # it doesn't listen, but exports what can: "fetch", or "listen"


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
        if file and _serves(package.tree, file):
            return dataclasses.replace(file, evidence=f"package.json names it as {key}")
    return named(package.tree) or exported(package.tree) or _with_own_packages(package)


def _with_own_packages(package: Package) -> Entry | None:
    """What serves lies in a package of the project's own that it asks for: the root's file brings it up."""
    own = any(
        wanted.startswith(("file:./", "file:")) and not wanted.endswith(".tgz") for wanted in package.deps.values()
    )
    file = main(package) if own else None
    return Entry(file, "it runs what lies in a package of its own") if file else None


def _serves(tree: Tree, found: Entry) -> bool:
    """It listens, or what it is made from does, or hands out an app: a library's `main` is there to be imported."""
    source = next(_sources(tree, found.file), None) if found.built else found.file
    return source is not None and (listens(tree, source) or _hands_out(tree, source) is not None)


def named(tree: Tree) -> Entry | None:
    """A file with a usual name that listens."""
    for file in _usual(tree):
        if listens(tree, file):
            return Entry(file, "a usual name, and it listens")
    alone = [name for name in tree.ending(*_ENDINGS, depth=0) if listens(tree, name)]
    if len(alone) == 1:
        return Entry(alone[0], "the only file that listens")
    return None


def exported(tree: Tree) -> Entry | None:
    """A file with a usual name that makes an app and leaves listening to others."""
    for file in _usual(tree):
        how = _hands_out(tree, file)
        if how:
            return Entry(file, "a usual name, and it exports an app", hands_out=how)
    return None


def _hands_out(tree: Tree, file: str) -> str | None:
    code = without_comments(tree.text(file))
    if not _EXPORTS.search(code) or _LISTENS.search(code):
        return None
    return "fetch" if _FETCHES.search(code) else "listen" if _LISTENERS.search(code) else None


def awaited(tree: Tree, found: Entry) -> Entry:
    """With how it hands out its app, when the file, or what the build makes it from, leaves listening to others."""
    source = next(_sources(tree, found.file), None) if found.built else found.file
    if source is None or stem(source) != stem(found.file):
        return found
    return dataclasses.replace(found, hands_out=_hands_out(tree, source))


def main(package: Package) -> str | None:
    """The file that node would run for the folder, when it is there."""
    found = _file(package, ".") or _file(package, "index")
    return found.file if found and not found.built else None


def _usual(tree: Tree) -> Iterator[str]:
    for folder in FOLDERS:
        for name in NAMES:
            file = tree.first(*(f"{folder}{name}{ending}" for ending in _ENDINGS))
            if file:
                yield file


def port(tree: Tree, entry: str) -> tuple[int, str] | None:
    """The port that the code falls back to, and the file that says so."""
    for file in (entry, *_sources(tree, entry)):
        code = without_comments(tree.text(file))
        for one in _PORTS:
            found = one.search(code)
            if found and 0 < int(found.group(1)) < 65536:
                return int(found.group(1)), file
    return None


def _sources(tree: Tree, entry: str) -> Iterator[str]:
    """What a built file was made from, and the files of usual names that it may import its settings from."""
    inside = re.sub(r"^(?:dist|build|lib|out)/(?:src/)?|\.[cm]?js$", "", entry)
    base = entry.rpartition("/")[0]
    stems = (f"src/{inside}", inside, f"server/{inside}", f"backend/{inside}") if not tree.has(entry) else ()
    near = (f"{folder}{each}" for folder in ("src/", f"{base}/" if base else "") for each in _SETTINGS)
    for name in (*stems, *near):
        file = tree.first(*(f"{name}{ending}" for ending in _ENDINGS))
        if file:
            yield file


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
    made = re.fullmatch(r"([\w./-]+)\.[cm]?js", word)
    if made and tree.has(f"{made.group(1)}.ts") and re.search(r"\btsc\b", package.scripts.get("build", "")):
        return Entry(word, "", built=True)  # beside its source
    return None
