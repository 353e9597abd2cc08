"""A project's files, listed once and read at most once each, within bounds that hold for hostile trees too."""

from __future__ import annotations

import codecs
import contextlib
import functools
import itertools
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Self


def words(text: str) -> frozenset[str]:
    """A table of single words, written as one text."""
    return frozenset(text.split())


MAX_DEPTH = 4  # folders below the root that are looked into
MAX_ENTRIES = 50_000  # names listed in all
MAX_READS = 400  # files opened in all
MAX_BYTES = 1024 * 1024  # of one file
MAX_LOCK_BYTES = 8 * 1024 * 1024  # of one lock file: they are long by nature
MAX_TOTAL_BYTES = 24 * 1024 * 1024

SKIPPED = words(
    "node_modules bower_components jspm_packages .git .hg .svn .venv venv env .env virtualenv __pycache__ .tox .nox"
    " .mypy_cache .pytest_cache .ruff_cache .cache .next .nuxt .output .svelte-kit .turbo .parcel-cache .angular .yarn"
    " .pnpm-store .terraform .gradle .idea .vscode target site-packages .eggs coverage .nyc_output .vercel .netlify"
    " .github .gitlab .circleci .husky"
)

# An app seldom lies in one of these, and what lies there often looks like one.
ASIDE = words(
    "test tests testing example examples docs doc scripts script migrations alembic benchmarks bench fixtures samples"
    " tools notebooks tutorials .devcontainer"
)

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# What is left open runs to the end, so that a hostile file can't make the search start over and over.
_JSON_COMMENT = re.compile(r'("(?:\\.|[^"\\])*"?)|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_TOML_KEY = re.compile(r"(?:[\w\"'-]{1,99}[ \t]{0,9}\.[ \t]{0,9}){64}")
_JSON_COMMA = re.compile(r'("(?:\\.|[^"\\])*"?)|,(?=\s*[}\]])', re.DOTALL)


class Tree:
    """The files below one folder: `files` are relative names with `/`, shallowest first, then by name.

    Nothing of it is ever executed, links that lead out of the folder (and links to folders) do not exist for it, and
    neither does anything but regular files.
    """

    def __init__(self, reader: Reader, prefix: str, files: tuple[str, ...]) -> None:
        self._reader = reader
        self._prefix = prefix
        self.files = files
        self._names = frozenset(files)

    @classmethod
    def read(cls, path: Path, depth: int = MAX_DEPTH) -> Self:
        """List a folder, `depth` folders down.  Raises OSError (NotADirectoryError, ...) when it can't be listed."""
        reader = Reader(path.resolve(strict=True))
        return cls(reader, "", tuple(sorted(_listed(reader.top, depth), key=_shallow)))

    def deeper(self, depth: int) -> Tree:
        """The folder that was read, as it is now and listed further down, with bounds of its own for what is read."""
        return Tree.read(self._reader.top, depth)

    @property
    def reads(self) -> int:
        """Files opened so far."""
        return self._reader.reads

    @property
    def root(self) -> str:
        """Where this tree lies in the one that was read; "." for that one itself."""
        return self._prefix.rstrip("/") or "."

    @functools.cached_property
    def folders(self) -> list[str]:
        """Direct sub-folders that have files, by name."""
        return sorted({name.split("/", 1)[0] for name in self.files if "/" in name})

    @functools.cached_property
    def all_folders(self) -> frozenset[str]:
        """Every folder that has files somewhere below it."""
        found: set[str] = set()
        for name in self.files:
            folder = folder_of(name)
            while folder and folder not in found:
                found.add(folder)
                folder = folder_of(folder)
        return frozenset(found)

    def below(self, folder: str) -> Tree:
        """The same files seen from a sub-folder."""
        cut = len(folder) + 1
        inside = tuple(name[cut:] for name in self.files if name.startswith(f"{folder}/"))
        return Tree(self._reader, f"{self._prefix}{folder}/", inside)

    def has(self, name: str) -> bool:
        return name in self._names

    def first(self, *names: str) -> str | None:
        """The first of these that is there."""
        return next((name for name in names if name in self._names), None)

    def there(self, *names: str) -> tuple[str, ...]:
        """Those of these that are there, in this order."""
        return tuple(name for name in names if name in self._names)

    def ending(self, *suffixes: str, depth: int = MAX_DEPTH) -> Iterator[str]:
        """Files with one of these endings, at most `depth` folders down, shallowest first."""
        return (name for name in self.files if name.endswith(suffixes) and name.count("/") <= depth)

    def text(self, name: str) -> str:
        """A file's text, whatever its encoding; "" when it is missing, unreadable or over the bounds."""
        return self._reader.text(self._prefix + name) if name in self._names else ""

    def whole(self, name: str, most: int) -> bytes | None:
        """All bytes of a file; None when it can't be read or has more than `most`."""
        raw = _bytes(self._reader.top / (self._prefix + name), most + 1) if name in self._names else None
        return None if raw is None or len(raw) > most else raw

    def recoded(self, name: str) -> bool:
        """Its bytes are not plain UTF-8, so tools that are stricter than we are need a copy."""
        return bool(self.text(name)) and self._prefix + name in self._reader.recoded

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object, comments and trailing commas forgiven; {} when it is none."""
        text = self.text(name)
        for read in (str, forgiven):
            with contextlib.suppress(ValueError, RecursionError):
                found = json.loads(read(text))
                return found if isinstance(found, dict) else {}
        return {}

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML table; {} when it is none."""
        try:
            return read_toml(self.text(name))
        except (ValueError, RecursionError):
            return {}


class Reader:
    """Opens the files of one folder, each once."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.reads = 0
        self.recoded: set[str] = set()
        self._bytes = 0
        self._texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> str:
        left = MAX_TOTAL_BYTES - self._bytes
        if self.reads >= MAX_READS or left <= 0:
            return ""
        self.reads += 1
        limit = MAX_LOCK_BYTES if name.endswith((".lock", "Pipfile.lock")) else MAX_BYTES
        raw = _bytes(self.top / name, min(limit, left)) or b""
        self._bytes += len(raw)
        text, plain = decode(raw)
        if not plain:
            self.recoded.add(name)
        return text


def decode(raw: bytes) -> tuple[str, bool]:
    """Text of bytes in UTF-8 or UTF-16, with or without a byte order mark, and whether they were plain UTF-8."""
    for mark, codec in _BOMS:
        if raw.startswith(mark):
            return raw.decode(codec, "replace").removeprefix("\ufeff"), False
    if len(raw) > 1 and 0 in raw[:2] and raw[:2] != b"\0\0":
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le", "replace"), False
    return raw.decode("utf-8", "replace"), True


def read_toml(text: str) -> dict[str, Any]:
    """A TOML table.  Raises ValueError or RecursionError; also for what would take a square of time."""
    if _TOML_KEY.search(text):
        raise ValueError("a key of it has too many parts")
    return tomllib.loads(text)


def forgiven(text: str) -> str:
    """JSON as people write it, its comments and trailing commas blanked out, so that every place stays where it is."""
    return _JSON_COMMA.sub(_blanked, _JSON_COMMENT.sub(_blanked, text))


def _blanked(found: re.Match[str]) -> str:
    return found.group(1) or re.sub(r"[^\n]", " ", found.group(0))


def _bytes(path: Path, limit: int) -> bytes | None:
    try:
        descriptor = os.open(path.resolve(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, RuntimeError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            return file.read(limit)
        except OSError:
            return None


def _listed(top: Path, depth: int) -> Iterator[str]:
    """Regular files, level by level, so that the bound cuts the deepest ones."""
    level, left = [""], MAX_ENTRIES
    for _ in range(depth + 1):
        there = ((folder + entry.name, entry) for folder in level for entry in _entries(top / folder))
        found = list(itertools.islice(there, left))
        left -= len(found)
        yield from (name for name, entry in found if _is_file(top, entry))
        level = sorted(f"{name}/" for name, entry in found if _is_folder(entry))


def _is_file(top: Path, entry: os.DirEntry[str]) -> bool:
    return _inside(top, Path(entry.path)) if entry.is_symlink() else entry.is_file(follow_symlinks=False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.isprintable():
                    yield entry
    except OSError:
        return


def _inside(top: Path, link: Path) -> bool:
    """A link to a regular file of the same tree."""
    try:
        target = link.resolve(strict=True)
        return target.is_relative_to(top) and stat.S_ISREG(target.stat().st_mode)
    except (OSError, RuntimeError):
        return False


def _shallow(name: str) -> tuple[int, str]:
    return name.count("/"), name


def stem(name: str) -> str:
    """`src/api.py` -> `api`."""
    return PurePosixPath(name).stem


def folder_of(name: str) -> str:
    """`src/api.py` -> `src`, `api.py` -> ``."""
    return name.rpartition("/")[0]
