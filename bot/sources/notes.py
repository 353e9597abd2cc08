"""What a tree names but does not hold: submodules and files in Git LFS.  People are told; the build goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.sources.git import Git

POINTER = b"version https://git-lfs.github.com/spec/v1\n"
POINTER_BYTES = 1024  # Git LFS's own bound
POINTERS_READ = 20_000  # blobs that are small enough to be one
NAMED = 3  # paths told by name


@dataclass(frozen=True, slots=True)
class Listing:
    """Every file of a tree, folders apart, in git's own form: thousands need not become objects."""

    lines: list[bytes]  # mode, kind, hash, a tab, path

    def __len__(self) -> int:
        return len(self.lines)

    def submodules(self) -> list[bytes]:
        return [_path(line) for line in self.lines if line.startswith(b"160000 ")]

    def attributes(self) -> Listing:
        return Listing([line for line in self.lines if line.endswith((b"/.gitattributes", b"\t.gitattributes"))])

    def blobs(self) -> dict[bytes, list[bytes]]:
        """The paths of each regular file's content, by its hash."""
        paths: dict[bytes, list[bytes]] = {}
        for line in self.lines:
            if line.startswith(b"100"):
                paths.setdefault(line.split(b" ", 2)[2].partition(b"\t")[0], []).append(_path(line))
        return paths


async def listing(git: Git, mirror: Path, tree: str) -> Listing:
    out = await git("ls-tree", "-r", "-z", "--full-tree", tree, repository=mirror)
    return Listing(out.split(b"\0")[:-1])


async def notes_on(git: Git, mirror: Path, files: Listing) -> tuple[str, ...]:
    """Sentences for people; none for most trees."""
    notes = []
    submodules = files.submodules()
    if submodules:
        notes.append(f"Submodules are not fetched, so these folders are empty: {_names(submodules)}.")
    pointers = await _pointers(git, mirror, files)
    if pointers:
        notes.append(f"Files in Git LFS are not fetched, so these hold pointers only: {_names(pointers)}.")
    return tuple(notes)


async def _pointers(git: Git, mirror: Path, files: Listing) -> list[bytes]:
    attributes = await _read(git, mirror, files.attributes().blobs(), limit=1 << 20)
    if not any(b"filter=lfs" in text for text in attributes.values()):
        return []
    blobs = files.blobs()
    texts = await _read(git, mirror, blobs, limit=POINTER_BYTES)
    return [path for blob, text in texts.items() if text.startswith(POINTER) for path in blobs[blob]]


async def _read(git: Git, mirror: Path, blobs: Iterable[bytes], *, limit: int) -> dict[bytes, bytes]:
    """Blobs of at most `limit` bytes, by their hash; sizes are asked for first, so that big ones are never read."""
    asked = b"".join(blob + b"\n" for blob in blobs)
    if not asked:
        return {}
    sizes = await git("cat-file", "--batch-check=%(objectname) %(objectsize)", repository=mirror, stdin=asked)
    pairs = (line.split(b" ") for line in sizes.splitlines())
    small = [blob for blob, size in pairs if size.isdigit() and int(size) <= limit][:POINTERS_READ]
    out = await git("cat-file", "--batch", repository=mirror, stdin=b"".join(blob + b"\n" for blob in small))
    texts, at = {}, 0
    for blob in small:
        start = out.index(b"\n", at) + 1
        end = start + int(out[at:start].split(b" ")[2])
        texts[blob], at = out[start:end], end + 1
    return texts


def _path(line: bytes) -> bytes:
    return line.partition(b"\t")[2]


def _names(paths: list[bytes]) -> str:
    named = [_printable(path) for path in sorted(paths)[:NAMED]]
    more = len(paths) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _printable(path: bytes) -> str:
    """A name as it can be told: whoever wrote the commit chose it."""
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in path.decode("utf-8", "replace"))
    return text if len(text) <= 80 else f"{text[:79]}…"
