"""Which files name dependencies, and what they name.  The files are whatever somebody pushed."""

from __future__ import annotations

import codecs
import fnmatch
import itertools
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from bot.scanners.dependencies import node, python
from bot.scanners.dependencies.dependency import Dependency
from bot.scanners.dependencies.parts import Broken, listed, parsed_json, table

LARGEST = 8 * 1024 * 1024  # bytes of one file
MOST = 20_000  # names in one file
SHOWN = 120  # letters of a path in words
FAULTS = 20  # told of one change

Reader = Callable[[str, str], Iterator[Dependency]]

_REQUIREMENTS = re.compile(r"(?:^|.*[-_.])requirements(?:[-_.].*)?\.(?:txt|in)", re.IGNORECASE)
READERS: Mapping[str, Reader] = {
    "pyproject.toml": python.pyproject,
    "uv.lock": python.lock,
    "poetry.lock": python.lock,
    "Pipfile": python.pipfile,
    "Pipfile.lock": python.pipfile_lock,
    "package.json": node.package_json,
    "package-lock.json": node.package_lock,
    "npm-shrinkwrap.json": node.package_lock,
    "yarn.lock": node.yarn_lock,
    "pnpm-lock.yaml": node.pnpm_lock,
}


def MANIFESTS(path: str) -> bool:  # noqa: N802
    """Whether a file names dependencies: a manifest, or the lock file beside it."""
    return _reader(path) is not None


def read(files: Mapping[str, bytes]) -> tuple[list[Dependency], list[str]]:
    """What manifests and locks (path, content) name, and in words which of them can't be read.

    What is read of a broken file before its fault counts.  Takes time with large files: not for the event loop."""
    found: dict[Dependency, None] = {}
    faults: list[str] = []
    own = _workspaces(files)
    for path, raw in sorted(files.items()):
        reader = _reader(path)
        if reader is None:
            continue
        seen = itertools.count()
        try:
            for one in reader(path, _text(raw)):
                if next(seen) >= MOST:
                    raise Broken(f"names more than {MOST} packages")
                if not (one.ecosystem == "npm" and one.name in own):
                    found.setdefault(one)
        except Broken as error:
            faults.append(f"{_shown(path)}: {error}")
    kept: dict[tuple[str, str, str | None, str, str], Dependency] = {}
    for one in found:
        kept.setdefault((one.ecosystem, one.name, one.version, one.path, one.source), one)
    return list(kept.values()), faults[:FAULTS]


def _reader(path: str) -> Reader | None:
    folder, name = posixpath.split(path)
    if "node_modules" in folder.split("/"):
        return None
    if _REQUIREMENTS.fullmatch(name):
        return python.requirements
    if posixpath.basename(folder).lower() == "requirements" and name.endswith((".txt", ".in")):
        return python.requirements
    return READERS.get(name)


def _text(raw: bytes) -> str:
    if len(raw) > LARGEST:
        raise Broken(f"is larger than {LARGEST // 1024 // 1024} MiB")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # what Windows' shell writes
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Broken("is no text") from error
    return text.replace("\r\n", "\n")


def _workspaces(files: Mapping[str, bytes]) -> frozenset[str]:
    """Names of packages that the repository itself has, in folders that npm's or yarn's workspaces name."""
    names: dict[str, str] = {}
    patterns: list[str] = []
    for path, raw in files.items():
        folder, name = posixpath.split(path)
        if name != "package.json" or len(raw) > LARGEST:
            continue
        try:
            tree = parsed_json(raw)
        except Broken:
            continue  # told where it is read
        wanted = tree.get("workspaces")
        words = listed(wanted) or listed(table(wanted).get("packages"))
        patterns += [posixpath.normpath(posixpath.join(folder, word)) for word in words[:100] if isinstance(word, str)]
        if isinstance(tree.get("name"), str):
            names[folder] = tree["name"]
    return frozenset(
        name for folder, name in names.items() if any(fnmatch.fnmatchcase(folder, pattern) for pattern in patterns)
    )


def _shown(path: str) -> str:
    """A path that can stand in a sentence."""
    return "".join(sign if sign.isprintable() else "?" for sign in path)[:SHOWN]
