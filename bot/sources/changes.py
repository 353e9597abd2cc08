"""What a pull request changes: files between merge base and head, and every blob that its commits brought.

A mirror may know little history: see `deepen`.  Names and contents are the author's: links, submodules, files that are
too large, names that no disk takes and vendored folders are left out, and told.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import SourceUnavailable
from bot.sources.git import Git, GitFailed
from bot.sources.plain import sizes

COMMITS = 250  # of a pull request that are looked at, the newest
FILES = 5000  # that are looked at, and as many again in its commits
LARGEST = 1 << 20  # bytes of a file
LARGEST_LOCK = 10 << 20
ALL_BYTES = 256 << 20  # of everything that one change lets us lay out
LONGEST_NAME, LONGEST_PATH = 255, 2000  # bytes; what disks take, less the folder above
SOME = 30  # commits that a pull request has when nobody says how many
FURTHER = (32, 1000)  # commits below the pull request's own that are fetched to find where it forked, then if need be
DEEPEN_SECONDS = 60.0

# Others' code, and what is made of ours: what stands in a lock file is looked at instead.
VENDORED = frozenset({"node_modules", "bower_components", "vendor", "dist", ".git", ".yarn", ".venv"})
MADE = (".min.js", ".min.css", ".js.map", ".css.map")
LOCKS = frozenset(
    {
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "uv.lock",
        "poetry.lock",
        "Pipfile.lock",
    }
)

BASE = "refs/keep/base"  # beside LATEST: the next pull request forks near it
NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the empty tree, which git knows without having it
RAW = ("diff-tree", "-r", "-z", "--raw", "--no-renames")
MOVED = 200  # files that are gone, and as many new ones, that are compared by what is in them: each with each
MOVED_NAMES = 100_000  # bytes of their paths, on one command line

Ask = Callable[[Sequence[str], str], Awaitable[bool]]  # options and a refspec; False: the server has it not


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A path that differs, with the blobs before and after; None: no file there, or none that we look at.

    `former`: it was moved from there, where `before` was; the path that it left differs, too."""

    path: str
    before: str | None
    after: str | None
    former: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A blob that a commit of the change brought to a path where no parent had it, and its base never."""

    path: str
    blob: str
    commit: str  # the first one


@dataclass(frozen=True, slots=True)
class Change:
    """`whole` is false when not all commits could be had or looked at: then `seen` lacks some, and maybe all."""

    base: str | None  # what `files` are compared with: the merge base, or the target's tip when that can't be found
    head: str
    files: tuple[ChangedFile, ...]
    seen: tuple[Seen, ...]
    whole: bool
    left_out: tuple[str, ...] = ()  # in words
    unseen: tuple[str, ...] = ()  # paths of files that are too large, or whose names can't be told
    cut: bool = False  # there is more than can be looked at


@dataclass(frozen=True, slots=True)
class Span:
    """The commits of a change as far as the mirror knows them, the oldest first."""

    base: str | None = None
    commits: tuple[str, ...] = ()
    whole: bool = False
    settled: bool = False  # nothing that could be fetched would tell more


# ---- which commits


async def reach(git: Git, mirror: Path, base: str | None, head: str, commits: int | None) -> Span:
    """What is known of a change without asking the server."""
    if base is None and commits is None:
        here = await _said(git, mirror, "rev-parse", "--verify", "--quiet", f"{head}^{{tree}}")
        return Span(whole=True, settled=bool(here))
    cut = await asyncio.to_thread(_cut, mirror)  # before the lists: what comes meanwhile makes them longer, not wrong
    without = () if base is None else (f"^{base}",)
    arguments = ("rev-list", "--topo-order", "--parents", f"--max-count={COMMITS + 1}", head, *without, "--")
    listed, fork = await asyncio.gather(
        _said(git, mirror, *arguments), _said(git, mirror, "merge-base", base or head, head)
    )
    if listed is None:
        return Span()
    lines = [line.split() for line in listed.splitlines()]
    newest = tuple(line[0] for line in reversed(lines[:COMMITS]))
    within = len(lines) <= COMMITS
    if (cut or base is None) and not _exact(lines, cut, commits):
        return Span(base, settled=not cut)
    return Span(fork if base else None, newest, whole=within, settled=within or not cut)


def _exact(lines: Sequence[Sequence[str]], cut: frozenset[str], commits: int | None) -> bool:
    """Whether a list made where history is cut off is the change's: all of it, and nothing of the target's past.

    Nothing is missing when no commit in it is cut.  It may hold too much where the target's past is cut: then it is
    longer than GitHub says, or goes back to the very first commit.
    """
    if any(line[0] in cut for line in lines):
        return False
    return len(lines) <= commits if commits is not None else all(len(line) > 1 for line in lines)


async def deepen(
    git: Git, mirror: Path, ask: Ask, base: str | None, head: str, commits: int | None, latest: str
) -> Span:
    """Fetch the commits of a change and the place where it forked, but not years of history.

    The head is here.  A mirror with all its history keeps it; whoever calls sees to it that no history comes meanwhile.
    """
    span = await reach(git, mirror, base, head, commits)
    wanted = [(head, latest), *([(base, BASE)] if base else [])]
    own = min(commits if commits is not None else SOME, COMMITS)
    try:
        async with asyncio.timeout(DEEPEN_SECONDS):
            # One by one: beside a commit that is new, git leaves those that are here as short as they are.
            for further, (sha, ref) in itertools.product(FURTHER, wanted):
                short = (mirror / "shallow").exists()
                if span.settled or (sha == head and not short):
                    continue
                if not await ask([f"--depth={own + further}"] if short else [], f"+{sha}:{ref}"):
                    break
                span = await reach(git, mirror, base, head, commits)
    except TimeoutError:
        pass  # a slow line or much history: what is known must do, and is told to be not whole
    return span


async def _said(git: Git, mirror: Path, *arguments: str) -> str | None:
    """One answer; None when git has none: a commit is not here, or nothing is common to two."""
    try:
        return (await git(*arguments, repository=mirror)).decode().strip()
    except GitFailed:
        return None


def _cut(mirror: Path) -> frozenset[str]:
    """Commits whose parents are not here; none when the history is complete."""
    try:
        return frozenset((mirror / "shallow").read_text().split())
    except FileNotFoundError:
        return frozenset()


# ---- which files and blobs


async def read(git: Git, mirror: Path, span: Span, head: str) -> Change:
    """Raises SourceUnavailable for more changed files than git's answer may hold."""
    try:
        raw, history = await asyncio.gather(
            git(*RAW, span.base or NOTHING, head, "--", repository=mirror), _history(git, mirror, span)
        )
    except GitFailed as failure:
        raise SourceUnavailable(f"What it changes can't be listed: {failure.words[-300:]}") from failure
    sieve = _Sieve()
    files = await asyncio.to_thread(_files, raw, sieve)
    seen = await asyncio.to_thread(_seen, history or b"", sieve)
    blobs = [blob for file in files for blob in (file.after, file.before) if blob] + [one.blob for one in seen]
    sieve.sizes = await sizes(git, mirror, blobs)
    kept = [sieve.weighed(file) for file in files]
    kept = await _moved(git, mirror, span.base, head, kept)
    kept_seen = [one for one in seen[:FILES] if sieve.fits(one.path, one.blob)]
    return Change(
        span.base,
        head,
        tuple(file for file in kept if file.before or file.after),
        tuple(kept_seen),
        whole=span.whole and history is not None and len(seen) <= FILES,
        left_out=sieve.words(),
        unseen=sieve.unseen(),
        cut=sieve.cut,
    )


async def _moved(
    git: Git, mirror: Path, base: str | None, head: str, files: Sequence[ChangedFile]
) -> list[ChangedFile]:
    """The same files, where git says so with what each of them was before it moved.  A copy is a new file.

    Only files that we look at are compared: git reads no others for it."""
    gone = {file.path: file.before for file in files if file.before and not file.after}
    made = [file.path for file in files if file.after and not file.before]
    if base is None or not gone or not made:
        return list(files)
    former = await _renamed(git, mirror, (base, head), list(gone), made)
    return [
        ChangedFile(file.path, gone[former[file.path]], file.after, former[file.path])
        if file.path in former and not file.before
        else file
        for file in files
    ]


async def _renamed(git: Git, mirror: Path, ends: tuple[str, str], gone: list[str], made: list[str]) -> dict[str, str]:
    """What those that are new were called before, as git sees it."""
    names = [*gone, *made]
    few = max(len(gone), len(made)) <= MOVED and sum(len(os.fsencode(name)) for name in names) <= MOVED_NAMES
    how = ("-M", "--diff-filter=R", "--name-status", *((f"-l{MOVED}",) if few else ("-M100%",)))
    arguments = ("--literal-pathspecs", "diff-tree", "-r", "-z", *how, *ends, "--", *(names if few else ()))
    try:
        fields = (await git(*arguments, repository=mirror)).split(b"\0")[:-1]
    except GitFailed:  # then each of them is new
        return {}
    pairs = [(os.fsdecode(old), os.fsdecode(new)) for old, new in zip(fields[1::3], fields[2::3], strict=True)]
    return {new: old for old, new in pairs if old in gone}


async def _history(git: Git, mirror: Path, span: Span) -> bytes | None:
    """What each commit changed; of a merge only what is like in none of its parents.  None: more than can be read."""
    if not span.commits:
        return b""
    asked = "".join(f"{commit}\n" for commit in span.commits).encode()
    try:
        return await git(*RAW, "--stdin", "--root", "-c", repository=mirror, stdin=asked)
    except GitFailed:
        return None


def _files(raw: bytes, sieve: _Sieve) -> list[ChangedFile]:
    files: list[ChangedFile] = []
    for _, (before, after), name in _records(raw):
        path = sieve.named(name)
        if path is None or not (sieve.of_files(path, after[0]) or before[0].startswith(b"100")):
            continue
        file = ChangedFile(path, _blob(*before), _blob(*after))
        if len(files) < FILES:
            files.append(file)
        else:
            sieve.more += 1
    return files


def _seen(raw: bytes, sieve: _Sieve) -> list[Seen]:
    """Blobs in the order of the commits, one too many when there are too many.

    What a parent has and no commit of the change made is the target's, and a commit that returns to it brings nothing.
    """
    made: set[tuple[bytes, bytes]] = set()
    outside: set[tuple[bytes, bytes]] = set()
    seen: dict[tuple[bytes, bytes], Seen] = {}
    for commit, (*before, (mode, blob)), name in _records(raw):
        outside.update((name, old) for _, old in before if (name, old) not in made)
        key = (name, blob)
        if key in outside:
            continue
        made.add(key)
        if mode.startswith(b"100") and key not in seen and len(seen) <= FILES:
            path = sieve.named(name)
            if path is not None:
                seen[key] = Seen(path, blob.decode(), commit)
    return list(seen.values())


def _records(raw: bytes) -> Iterator[tuple[str, list[tuple[bytes, bytes]], bytes]]:
    """Commit, (mode, hash) in each parent and then in the commit itself, path."""
    commit = ""
    fields = iter(raw.split(b"\0"))
    for text in fields:
        if not text.startswith(b":"):
            commit = text.decode()
            continue
        words = text.lstrip(b":").split(b" ")  # modes, as many hashes, one word of status
        half = len(words) // 2
        yield commit, list(zip(words[:half], words[half : 2 * half], strict=True)), next(fields)


def _blob(mode: bytes, blob: bytes) -> str | None:
    return blob.decode() if mode.startswith(b"100") else None


NO_FILES = ("to a link", "to a submodule")  # why something is left out that holds nothing


@dataclass(slots=True)
class _Sieve:
    """What is looked at; and what is not, for people."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    more: int = 0  # files above the limit
    taken: int = 0  # bytes
    vendored: set[str] = field(default_factory=set)
    left: dict[str, dict[str, None]] = field(default_factory=dict)

    def named(self, name: bytes) -> str | None:
        """A path that can be looked at."""
        try:
            path = name.decode()
        except UnicodeDecodeError:
            self.leave("not named in UTF-8", name.decode("utf-8", "replace"))
            return None
        *folders, file = path.split("/")
        if file.endswith(MADE) or not VENDORED.isdisjoint(folders):
            self.vendored.add(path)
            return None
        if len(name) > LONGEST_PATH or any(len(part) > LONGEST_NAME for part in name.split(b"/")):
            self.leave("with a name that is too long", path)
            return None
        return path

    def of_files(self, path: str, mode: bytes) -> bool:
        if mode in (b"120000", b"160000"):
            self.leave("to a link" if mode == b"120000" else "to a submodule", path)
        return mode.startswith(b"100")

    def weighed(self, file: ChangedFile) -> ChangedFile:
        after = file.after if file.after and self.fits(file.path, file.after) else None
        if file.after and not after:
            return ChangedFile(file.path, None, None)
        before = file.before if file.before and self.fits(file.path, file.before) else None
        return ChangedFile(file.path, before, after)

    def fits(self, path: str, blob: str) -> bool:
        size = self.sizes[blob]
        most = LARGEST_LOCK if path.rpartition("/")[2] in LOCKS else LARGEST
        if size > most:
            self.leave(f"larger than {most >> 20} MiB", path)
        elif self.taken + size > ALL_BYTES:
            self.leave(f"above {ALL_BYTES >> 20} MiB in all", path)
        else:
            self.taken += size
            return True
        return False

    def leave(self, why: str, path: str) -> None:
        self.left.setdefault(why, {})[path] = None

    @property
    def cut(self) -> bool:
        return bool(self.more) or any(why.startswith("above") for why in self.left)

    def unseen(self) -> tuple[str, ...]:
        """Files that somebody could hide something in."""
        return tuple(path for why, paths in self.left.items() if why not in NO_FILES for path in paths)

    def words(self) -> tuple[str, ...]:
        told = [f"{_count(len(paths))} {why}: {names(list(paths))}" for why, paths in sorted(self.left.items())]
        if self.vendored:
            told.append(f"{_count(len(self.vendored))} in vendored or minified code")
        if self.more:
            told.append(f"{_count(self.more)} above the first {FILES:,}")
        return tuple(told)


def _count(number: int) -> str:
    return f"{number:,} path{'' if number == 1 else 's'}"


def names(paths: Sequence[str]) -> str:
    """Three of them, as they can be told: whoever wrote the commit chose them."""
    named = ["".join(sign if sign.isprintable() else "\ufffd" for sign in path[:80]) for path in paths[:3]]
    return ", ".join(named) + (f" and {len(paths) - 3:,} more" if len(paths) > 3 else "")
