"""A revision's files: one bare mirror per repository, fetched by commit; one folder per tree, never written to.

The first fetch brings one commit without its history, so that a first preview need not wait for years of it; the
history follows in the background.  With it, the next commit is a few kilobytes: git sends a whole tree again to a
mirror that stays shallow.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
import secrets
import shutil
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import GitHubDown, SourceUnavailable
from bot.sources import changes, plain, trees
from bot.sources.changes import Change
from bot.sources.git import Git, GitFailed
from bot.sources.notes import listing, notes_on
from bot.sources.plain import Listed

__all__ = ["Revision", "Sources"]

log = logging.getLogger(__name__)

FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
FETCH_SECONDS = 600.0
HISTORY_SECONDS = 3600.0  # nobody waits for it
HISTORY_DELAY = 5.0  # seconds: the preview that the commit is for goes first
STALE_SECONDS = 60.0  # a lock that git holds for milliseconds, or a pack nobody goes on writing
PACKS, LOOSE = 20, 5000  # a fetch with more takes half as long again
LATEST = "refs/keep/latest"  # what the next fetch is compared with; refs/slipway/SHA are what is checked out

SHA = re.compile(r"[0-9a-f]{40}")
FULL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+")
REF = re.compile(r"refs/[A-Za-z0-9_./-]+")

GONE = ("not our ref", "couldn't find remote ref", "unadvertised object", "no such ref", "not a valid object")
FORBIDDEN = ("authentication failed", "could not read username", "error: 401", "error: 403", "not found", "error: 404")
MOVED = re.compile(r"error: 30[1278]|unable to update url base")
BROKEN = ("fsck", "invalid path", "unknown object type", "bad object", "corrupt")


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a repository's files.  `notes`: what the tree names but we could not bring, in words."""

    sha: str
    tree_hash: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    revision: Revision
    files: int


class Sources:
    """`home` holds `mirrors` and `trees`; `server_url` is where OWNER/NAME.git lies."""

    def __init__(self, home: Path, server_url: str, clock: Callable[[], float] = time.time) -> None:
        self._mirrors, self._trees = home.absolute() / "mirrors", home.absolute() / "trees"
        self._server_url, self._clock = server_url, clock
        self._git = Git(self._mirrors, server_url)
        self._fetching: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()
        self._writing: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()
        self._seen: dict[tuple[int, str], _Seen] = {}
        self._held: set[tuple[int, str]] = set()
        self._swept: set[int] = set()
        self._histories: dict[int, asyncio.Task[None]] = {}

    async def fetch(
        self, project_id: int, full_name: str, sha: str, token: str | None, *, ref: str | None = None
    ) -> Revision:
        """Bring one commit, to be checked out soon; nothing is asked of the server when it is here.

        `ref` is tried when the server gives no commit by its hash alone.  Raises SourceUnavailable (gone, forbidden)
        and GitHubDown.
        """
        url = self._url(full_name, sha, ref)
        async with self._fetching.setdefault(project_id, asyncio.Lock()), self._sweeping_again(project_id):
            mirror = await self._mirror(project_id)
            if seen := self._seen.get((project_id, sha)):
                return seen.revision
            here, known = await self._here(mirror, sha)
            if not here:
                await self._pause_history(project_id)
                await self._bring(mirror, url, sha, token, ref, afresh=not known)
                self._resume_history(project_id, mirror, url, token)
            return (await self._look(project_id, sha)).revision

    async def checkout(self, project_id: int, sha: str) -> Path:
        """The files of a fetched commit, as git holds them: links may lead anywhere, nothing is filtered.

        The folder is shared, must never be written to, and stays until the commit is forgotten.  Raises
        SourceUnavailable.
        """
        seen = await self._look(project_id, sha)
        folder, tree = self._trees / str(project_id), seen.revision.tree_hash
        if (project_id, sha) in self._held and (folder / tree).is_dir():
            return folder / tree
        async with self._writing.setdefault(project_id, asyncio.Lock()), self._sweeping_again(project_id):
            mirror = self._at(project_id)
            holding = self._git("update-ref", f"refs/slipway/{sha}", sha, repository=mirror)
            if (folder / tree).is_dir():
                await holding
            else:
                await asyncio.gather(holding, trees.write(self._git, mirror, tree, seen.files, folder))
            self._held.add((project_id, sha))
            return folder / tree

    async def change(
        self, project_id: int, full_name: str, base: str | None, head: str, token: str | None, commits: int | None
    ) -> Change:
        """What a pull request changes.  `base` is its target's tip or the merge base, None when there is none;
        `commits` is how many GitHub says it has.

        Raises SourceUnavailable and GitHubDown like fetch; a base that the server has no more only makes it not whole.
        """
        url, _ = self._url(full_name, head, None), self._url(full_name, base or head, None)
        async with self._fetching.setdefault(project_id, asyncio.Lock()), self._sweeping_again(project_id):
            mirror = await self._mirror(project_id)
            span = await changes.reach(self._git, mirror, base, head, commits)
            if not span.settled:
                await self._pause_history(project_id)
                try:
                    here, known = await self._here(mirror, head)
                    if not here:
                        await self._bring(mirror, url, head, token, None, afresh=not known)
                    ask = functools.partial(self._had, mirror, url, token)
                    span = await changes.deepen(self._git, mirror, ask, base, head, commits, LATEST)
                finally:
                    self._resume_history(project_id, mirror, url, token)
            return await changes.read(self._git, mirror, span, head)

    async def lay_out(self, project_id: int, files: Sequence[tuple[str, str]], folder: Path) -> None:
        """Write (path, blob) of a change as plain files below a folder.  All of them, or SourceUnavailable."""
        await plain.lay_out(self._git, self._at(project_id), files, folder)

    async def listed(self, project_id: int, commit: str, wanted: Callable[[str], bool]) -> list[Listed]:
        """What is wanted of a commit that a change has told of, without writing it anywhere.

        Raises SourceUnavailable."""
        return await plain.listed(self._git, self._at(project_id), commit, wanted)

    async def forget(self, project_id: int, sha: str) -> None:
        """Let go of a commit, and of its files when no other commit has the same."""
        mirror = self._at(project_id)
        if not SHA.fullmatch(sha) or not mirror.is_dir():
            return
        async with self._writing.setdefault(project_id, asyncio.Lock()):
            self._seen.pop((project_id, sha), None)
            self._held.discard((project_id, sha))
            tree = await self._tree_of(mirror, sha)
            await self._git("update-ref", "-d", f"refs/slipway/{sha}", repository=mirror)
            held = await self._git("for-each-ref", "--format=%(tree)", "refs/slipway", repository=mirror)
            path = self._trees / str(project_id) / (tree or "none")
            going = _hidden(path) if tree not in held.decode().split() else None
        if going is not None:
            await asyncio.to_thread(shutil.rmtree, going, ignore_errors=True)
        async with self._fetching.setdefault(project_id, asyncio.Lock()):
            if await asyncio.to_thread(_untidy, mirror):
                await self._git("repack", "-d", "--quiet", "--geometric=2", repository=mirror, nice=True)

    async def drop(self, project_id: int) -> None:
        """Remove all of a repository."""
        async with (
            self._fetching.setdefault(project_id, asyncio.Lock()),
            self._writing.setdefault(project_id, asyncio.Lock()),
        ):
            await self._pause_history(project_id)
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] != project_id}
            self._held = {key for key in self._held if key[0] != project_id}
            self._swept.discard(project_id)
            await asyncio.to_thread(_vanish, self._at(project_id))
            await asyncio.to_thread(_vanish, self._trees / str(project_id))

    async def close(self) -> None:
        """Stop what runs in the background."""
        for project_id in list(self._histories):
            await self._pause_history(project_id)

    # ---- the mirror

    def _at(self, project_id: int) -> Path:
        return self._mirrors / f"{project_id}.git"

    def _url(self, full_name: str, sha: str, ref: str | None) -> str:
        if not FULL_NAME.fullmatch(full_name) or not SHA.fullmatch(sha) or (ref and not REF.fullmatch(ref)):
            raise SourceUnavailable(f"{full_name!r} at {sha!r} can't be the name of a commit.")
        return f"{self._server_url}/{full_name}.git"

    async def _mirror(self, project_id: int) -> Path:
        mirror = self._at(project_id)
        if project_id not in self._swept:
            await asyncio.to_thread(self._sweep, project_id)
            self._swept.add(project_id)
        if not mirror.is_dir():
            making = self._mirrors / f"{trees.LEFT_OVER}{secrets.token_hex(6)}"
            await self._git("init", "--bare", "--quiet", "--template=", repository=making)
            (making / "info").mkdir(exist_ok=True)
            (making / "info" / "attributes").write_text(trees.RAW)
            making.rename(mirror)
        return mirror

    @contextlib.asynccontextmanager
    async def _sweeping_again(self, project_id: int) -> AsyncIterator[None]:
        """What fails may have met a lock of a former life that was too young to be swept: the next try sweeps again."""
        try:
            yield
        except (GitFailed, GitHubDown):
            self._swept.discard(project_id)
            raise

    def _sweep(self, project_id: int) -> None:
        """What a former life was killed over: locks that nobody holds, packs and trees that nobody goes on writing."""
        self._mirrors.mkdir(parents=True, exist_ok=True)
        mirror, folder = self._at(project_id), self._trees / str(project_id)
        before = self._clock() - STALE_SECONDS
        left = [*mirror.glob("*.lock"), *mirror.glob("refs/**/*.lock"), *mirror.glob("objects/pack/tmp_*")]
        left += [*folder.glob(f"{trees.LEFT_OVER}*"), *self._mirrors.glob(f"{trees.LEFT_OVER}*")]
        for path in left:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    _vanish(path)

    async def _here(self, mirror: Path, sha: str) -> tuple[bool, bool]:
        """Whether a commit is in the mirror, and whether any is that the next one can be compared with."""
        asked = f"{sha}^{{commit}}^{{tree}}\n{LATEST}\n".encode()
        out = await self._git("cat-file", "--batch-check=%(objectname)", repository=mirror, stdin=asked)
        commit, latest = out.decode().splitlines()
        return SHA.fullmatch(commit) is not None, SHA.fullmatch(latest) is not None

    async def _bring(
        self, mirror: Path, url: str, sha: str, token: str | None, ref: str | None, *, afresh: bool
    ) -> None:
        depth = ("--depth=1",) if afresh else ()
        try:
            await self._ask(mirror, url, token, *depth, refspec=f"+{sha}:{LATEST}")
        except GitFailed as failure:
            if ref is None or not _says(failure, GONE):
                raise _meaning(failure, url) from failure
            await self._bring_by_ref(mirror, url, sha, token, ref)

    async def _bring_by_ref(self, mirror: Path, url: str, sha: str, token: str | None, ref: str) -> None:
        try:
            await self._ask(mirror, url, token, refspec=f"+{ref}:{LATEST}")
        except GitFailed as failure:
            raise _meaning(failure, url) from failure
        if await self._tree_of(mirror, sha) is None:
            raise SourceUnavailable(f"Commit {sha[:7]} is not there any more: {ref} has moved on. Push again.")

    async def _had(self, mirror: Path, url: str, token: str | None, options: Sequence[str], refspec: str) -> bool:
        """Fetch; False when the server has it not."""
        try:
            await self._ask(mirror, url, token, *options, refspec=refspec)
        except GitFailed as failure:
            if _says(failure, GONE):
                return False
            raise _meaning(failure, url) from failure
        return True

    async def _ask(self, mirror: Path, url: str, token: str | None, *options: str, refspec: str) -> None:
        ask = functools.partial(
            self._git, *FETCH, *options, "--", url, refspec, repository=mirror, token=token, seconds=FETCH_SECONDS
        )
        try:
            await ask()
        except GitFailed as failure:
            if not MOVED.search(failure.words):
                raise
            await ask(moved=True)

    async def _tree_of(self, mirror: Path, sha: str) -> str | None:
        try:
            out = await self._git("rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}^{{tree}}", repository=mirror)
        except GitFailed:
            return None
        return out.decode().strip()

    async def _look(self, project_id: int, sha: str) -> _Seen:
        seen = self._seen.get((project_id, sha))
        if seen is None:
            mirror = self._at(project_id)
            tree = await self._tree_of(mirror, sha) if SHA.fullmatch(sha) and mirror.is_dir() else None
            if tree is None:
                raise SourceUnavailable(f"Commit {sha[:7]} was not fetched.")
            try:
                files = await listing(self._git, mirror, tree)
                notes = await notes_on(self._git, mirror, files)
            except GitFailed as failure:
                raise SourceUnavailable(f"Its files can't be listed: {failure.words[-300:]}") from failure
            seen = self._seen[project_id, sha] = _Seen(Revision(sha, tree, notes), len(files))
        return seen

    # ---- its history

    def _resume_history(self, project_id: int, mirror: Path, url: str, token: str | None) -> None:
        if (mirror / "shallow").exists():
            self._histories[project_id] = asyncio.create_task(self._history(mirror, url, token))

    async def _pause_history(self, project_id: int) -> None:
        task = self._histories.pop(project_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _history(self, mirror: Path, url: str, token: str | None) -> None:
        await asyncio.sleep(HISTORY_DELAY)
        try:
            latest = (await self._git("rev-parse", LATEST, repository=mirror)).decode().strip()
            arguments = (*FETCH, "--unshallow", "--", url, latest)
            await self._git(*arguments, repository=mirror, token=token, seconds=HISTORY_SECONDS, nice=True)
        except GitFailed as error:
            log.info("the history of %s did not come, so later fetches are larger: %s", url, error)


def _meaning(failure: GitFailed, url: str) -> Exception:
    """git's words for people: whose fault it is, and whether trying again may help."""
    if _says(failure, GONE):
        return SourceUnavailable("This commit is not on GitHub any more; it was probably replaced by a force push.")
    if MOVED.search(failure.words):
        return SourceUnavailable(f"{url} has moved to a place that could not be followed. Push again.")
    if _says(failure, BROKEN):
        return SourceUnavailable(f"git refuses what this commit holds: {failure.words.splitlines()[-1][:300]}")
    if _says(failure, FORBIDDEN):
        return SourceUnavailable(f"GitHub does not let us read {url}: check that the app is installed on it.")
    return GitHubDown(f"git could not fetch from {url}: {failure.words[-500:]}")


def _says(failure: GitFailed, words: tuple[str, ...]) -> bool:
    said = failure.words.lower()
    return any(word in said for word in words)


def _untidy(mirror: Path) -> bool:
    """So many packs or loose objects that they slow the next fetch down."""
    packs = len(list(mirror.glob("objects/pack/*.pack")))
    sample = len(list(mirror.glob("objects/17/*")))  # one of 256 folders that loose objects fall into
    return packs > PACKS or sample * 256 > LOOSE


def _vanish(path: Path) -> None:
    """Remove a file, or a folder that is out of sight at once."""
    going = _hidden(path)
    if going is None:
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(going, ignore_errors=True)


def _hidden(path: Path) -> Path | None:
    """Where a folder awaits its removal, which takes a while: nobody need wait for that."""
    if not path.is_dir():
        return None
    going = path.with_name(f"{trees.LEFT_OVER}{secrets.token_hex(6)}")
    path.rename(going)
    return going
