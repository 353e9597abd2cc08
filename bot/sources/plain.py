"""Blobs as plain files below a folder: never a link, never outside it, whatever they are named."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import SourceUnavailable
from bot.sources.git import Git, GitFailed

AT_ONCE = 8 << 20  # bytes that are in memory while files are laid out
SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Listed:
    """One name in a commit's tree.  What is not `plain` (a link, a submodule) has no size."""

    path: str  # names that are no UTF-8 have surrogates
    plain: bool
    blob: str
    size: int = 0


async def listed(git: Git, mirror: Path, commit: str, wanted: Callable[[str], bool]) -> list[Listed]:
    """What of a commit's files is wanted, by path."""
    if not SHA.fullmatch(commit):
        raise SourceUnavailable("What is no hash names no commit.")
    try:
        out = await git("ls-tree", "-r", "-z", "--full-tree", commit, repository=mirror)
        found = await asyncio.to_thread(lambda: [one for one in _entries(out) if wanted(one.path)])
        weights = await sizes(git, mirror, (one.blob for one in found if one.plain))
    except GitFailed as failure:
        raise SourceUnavailable(f"The files of {commit[:7]} can't be listed: {failure.words[-300:]}") from failure
    return [replace(one, size=weights.get(one.blob, 0)) for one in found]


def _entries(out: bytes) -> Iterator[Listed]:
    for line in out.split(b"\0")[:-1]:
        kind, _, path = line.partition(b"\t")
        mode, _, blob = kind.split(b" ")
        yield Listed(os.fsdecode(path), mode.startswith(b"100"), blob.decode())


async def sizes(git: Git, mirror: Path, blobs: Iterable[str]) -> dict[str, int]:
    """Raises SourceUnavailable for one that is not here."""
    asked = list(dict.fromkeys(blobs))
    if not all(SHA.fullmatch(blob) for blob in asked):
        raise SourceUnavailable("What is no hash names no blob.")
    if not asked:
        return {}
    stdin = "".join(f"{blob}\n" for blob in asked).encode()
    out = await git(
        "cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", repository=mirror, stdin=stdin
    )
    found = {}
    for line in out.decode().splitlines():
        blob, kind, *size = line.split(" ")
        if kind != "blob":
            raise SourceUnavailable(f"{blob[:40]} is not the content of a file that was fetched.")
        found[blob] = int(size[0])
    return found


async def lay_out(git: Git, mirror: Path, files: Sequence[tuple[str, str]], folder: Path) -> None:
    """Write (path, blob) as plain files below `folder`, which is made when it is not there.

    All of them or SourceUnavailable: two contents for one path, or a file where another needs a folder, want two
    folders.
    """
    wanted = sorted(set(files))
    try:
        weights = await sizes(git, mirror, (blob for _, blob in wanted))
        await asyncio.to_thread(_ground, folder)
        folders: set[str] = set()
        for some in _portions(wanted, weights):
            stdin = "".join(f"{blob}\n" for _, blob in some).encode()
            out = await git("cat-file", "--batch", repository=mirror, stdin=stdin)
            await asyncio.to_thread(_write_all, str(folder), folders, some, out)
    except GitFailed as failure:
        raise SourceUnavailable(f"The files can't be read: {failure.words[-300:]}") from failure


def _portions(wanted: Sequence[tuple[str, str]], weights: Mapping[str, int]) -> Iterator[list[tuple[str, str]]]:
    some: list[tuple[str, str]] = []
    total = 0
    for one in wanted:
        size = weights[one[1]]
        if some and total + size > AT_ONCE:
            yield some
            some, total = [], 0
        some.append(one)
        total += size
    if some:
        yield some


def _write_all(root: str, folders: set[str], some: Sequence[tuple[str, str]], out: bytes) -> None:
    at = 0
    for path, _ in some:
        start = out.index(b"\n", at) + 1
        end = start + int(out[at:start].split(b" ")[2])
        try:
            _write(root, folders, path, memoryview(out)[start:end])
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ):
                raise
            raise SourceUnavailable(f"There is no place on disk for {path[:80]!r}: {error.strerror}.") from error
        at = end + 1


def _write(root: str, folders: set[str], path: str, content: memoryview) -> None:
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise SourceUnavailable(f"{path[:80]!r} is no place for a file.")
    for depth in range(1, len(parts)):
        above = "/".join(parts[:depth])
        if above not in folders:
            _ground(Path(root, above))
            folders.add(above)
    place = os.open(f"{root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(place, "wb") as stream:
        stream.write(content)
        os.fchmod(place, 0o644)  # whatever the mask of this process


def _ground(folder: Path) -> None:
    """A folder, and no link to one."""
    try:
        folder.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise
    else:
        folder.chmod(0o755)
