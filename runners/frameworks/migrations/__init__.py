"""Which migrations a tree carries, and which of them destroy what code from before them needs.

Nothing is run and no database is asked: whether a migration ever ran is not known here.  What can't be read counts
as destructive.  Written in the migrations' own terms: taken away, renamed or emptied; a type that got narrower can't
be told, and neither can what Python or Ruby code does to rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from runners.base import Migration
from runners.frameworks.migrations import python, ruby, sql
from runners.frameworks.tree import Tree, decode, folder_of

DEPTH = 8  # folders below the root that are looked into
MOST = 500  # migrations; of more, the first of each folder are left out: they are the oldest
MOST_BYTES = 256 * 1024  # of one
MOST_TOTAL = 4 * 1024 * 1024

TOO_MUCH = "it is too large to be read"
_UNREAD = "it can't be read"

Reader = Callable[[str], str | None]

_FOLDERS = r"(?:.*/)?(?:migrations?|migrate|drizzle)"
_READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (re.compile(r"(?:.*/)?migrations/\d{3,}\w*\.py"), python.django),
    (re.compile(r"(?:.*/)?versions/(?!__init__)[^/]+\.py"), python.alembic),
    (re.compile(r"(?:.*/)?db/(?:\w+_)?migrate/\d+_\w+\.rb"), ruby.rails),
    (re.compile(rf"{_FOLDERS}/(?:[^/]+/)?[^/]+\.sql", re.IGNORECASE), sql.destroys),
)
# The way back: golang-migrate, sqlx, diesel, postgrator, flyway.
_BACK = re.compile(r"(?:^|[/._-])(?:down|undo|rollback|revert)\.sql$|/down/|(?:^|/)U\d[^/]*\.sql$", re.IGNORECASE)


def found(tree: Tree) -> tuple[Migration, ...]:
    """By path, with numbers in their order."""
    deep = tree.deeper(DEPTH)
    named = [(name, reader) for name in deep.files if (reader := _reader(deep, name))]
    kept = sorted(named, key=lambda one: _order(one[0]))
    if len(kept) > MOST:
        kept = sorted(sorted(kept, key=_newest(kept))[:MOST], key=lambda one: _order(one[0]))
    left = MOST_TOTAL
    read: list[Migration] = []
    for name, reader in reversed(kept):  # when there are too many bytes, the oldest are not read
        raw = deep.whole(name, min(MOST_BYTES, left))
        left -= len(raw or b"")
        read.append(_migration(name, raw, reader))
    return tuple(reversed(read))


def _reader(tree: Tree, name: str) -> Reader | None:
    if _BACK.search(name):
        return None
    reader = next((reader for pattern, reader in _READERS if pattern.fullmatch(name)), None)
    if reader is python.alembic:
        above = folder_of(folder_of(name))
        beside = (f"{above}/{each}" if above else each for each in ("env.py", "script.py.mako"))
        return reader if any(tree.has(each) for each in beside) else None
    return reader


def _migration(name: str, raw: bytes | None, reader: Reader) -> Migration:
    if raw is None:
        return Migration(name, "", TOO_MUCH)
    text, _plain = decode(raw)
    lost = _UNREAD if "\0" in text or "\ufffd" in text else reader(text)
    words = "".join(each if each.isprintable() else " " for each in lost) if lost else None
    return Migration(name, hashlib.sha256(raw).hexdigest()[:16], words)


def _order(name: str) -> tuple[str, list[tuple[int, str]]]:
    """Numbers as numbers: 2 comes before 10."""
    parts = re.findall(r"\d{1,18}|\D+", name.removeprefix(folder_of(name)))
    return folder_of(name), [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _newest(kept: list[tuple[str, Reader]]) -> Callable[[tuple[str, Reader]], int]:
    """How many of its folder come after each."""
    rank: dict[str, int] = {}
    after: dict[str, int] = {}
    for name, _each in reversed(kept):
        group = _group(name)
        rank[name] = after[group] = after.get(group, -1) + 1
    return lambda one: rank[one[0]]


def _group(name: str) -> str:
    """The folder; of tools that have a folder for each migration, the one above."""
    folder = folder_of(name)
    return folder_of(folder) if name.endswith(".sql") and re.search(r"\d", folder.rpartition("/")[2]) else folder
