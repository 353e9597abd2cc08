"""What a tree names but does not hold: submodules and files in Git LFS.  People are told; the build goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.sources.git import Git

POINTER = b"version https://git-lfs.github.com/spec/v1\n"
POINTER_BYTES = 1024  # Git LFS's own bound
POINTERS_READ = 20_000
NAMED = 3  # paths told by name


@dataclass(frozen=True, slots=True)
class Entry:
    mode: bytes
    blob: str
    path: bytes


async def listing(git: Git, mirror: Path, tree: str) -> list[Entry]:
    """Every file of a tree, folders apart."""
    out = await git("ls-tree", "-r", "-z", "--full-tree", tree, repository=mirror)
    entries = []
    for line in out.split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, _kind, blob = about.split(b" ")
        entries.append(Entry(mode, blob.decode(), path))
    return entries


async def notes_on(git: Git, mirror: Path, entries: list[Entry]) -> tuple[str, ...]:
    """Sentences for people; none for most trees."""
    notes = []
    submodules = [entry.path for entry in entries if entry.mode == b"160000"]
    if submodules:
        notes.append(f"Submodules are not fetched, so these folders are empty: {_names(submodules)}.")
    pointers = await _pointers(git, mirror, entries)
    if pointers:
        notes.append(f"Files in Git LFS are not fetched, so these hold pointers only: {_names(pointers)}.")
    return tuple(notes)


async def _pointers(git: Git, mirror: Path, entries: list[Entry]) -> list[bytes]:
    attributes = [entry for entry in entries if entry.path.rpartition(b"/")[2] == b".gitattributes"]
    if not attributes:
        return []
    texts = await _read(git, mirror, attributes, limit=1 << 20)
    if not any(b"filter=lfs" in text for text in texts.values()):
        return []
    texts = await _read(git, mirror, entries, limit=POINTER_BYTES)
    return [entry.path for entry in entries if texts.get(entry.blob, b"").startswith(POINTER)]


async def _read(git: Git, mirror: Path, entries: list[Entry], *, limit: int) -> dict[str, bytes]:
    """Blobs of at most `limit` bytes, by their hash; sizes are asked for first, so that big ones are never read."""
    blobs = list({entry.blob for entry in entries if entry.mode.startswith(b"100")})
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    sizes = await git("cat-file", "--batch-check=%(objectname) %(objectsize)", repository=mirror, stdin=asked)
    pairs = (line.split(b" ") for line in sizes.splitlines())
    small = [blob for blob, size in pairs if size.isdigit() and int(size) <= limit][:POINTERS_READ]
    out = await git("cat-file", "--batch", repository=mirror, stdin=b"".join(blob + b"\n" for blob in small))
    texts, at = {}, 0
    for blob in small:
        head, start = out.find(b"\n", at), 0
        start, size = head + 1, int(out[at:head].split(b" ")[2])
        texts[blob.decode()] = out[start : start + size]
        at = start + size + 1
    return texts


def _names(paths: list[bytes]) -> str:
    named = [_printable(path) for path in sorted(paths)[:NAMED]]
    more = len(paths) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _printable(path: bytes) -> str:
    """A name as it can be told: whoever wrote the commit chose it."""
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in path.decode("utf-8", "replace"))
    return text if len(text) <= 80 else f"{text[:79]}…"
