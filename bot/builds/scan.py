"""A change is scanned: what it brings, file by file, compared with what stood there before.

Files come out of git into throw-away folders; scanners read them in a box.  Two kinds of scanners run side by side:
those that look for secrets get every version of a file that any commit of the change brought, the others the head's.
The base is only looked at where the head has findings, and what is known of a file is not looked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from bot.builds.chosen import chosen
from bot.builds.packages import Examined, examined
from bot.errors import GitHubRefused, SourceUnavailable, TryLater
from bot.github import Repository
from bot.github.files import NotAFile
from bot.models import Project, PullRequest
from bot.permissions import together
from bot.policy.scanning import Scanner
from bot.scanners.dependencies import MANIFESTS, Registries
from bot.scanners.findings import Finding, Ran, Report
from bot.scanners.neutral import neutral
from bot.scanners.results import Results
from bot.scanners.running import ABSENT, edition, scan, warm
from bot.scanners.sarif import fingerprinted
from bot.scanners.suppress import Ignore, applied, parse
from bot.scanners.tools import SCANNERS, Tool
from bot.sources import Sources
from bot.sources.changes import Change
from bot.store import Store, scans
from runners.base import Unavailable
from runners.base.box import Box

IGNORES = ".slipway/ignore.toml"
AT_ONCE = 2  # scans; each of them runs its scanners side by side
LATER_SECONDS = 1.0  # until one that found no place asks again
# Kinds of large files that hold no code: left out with a word.  Any other one that is too large is not scanned.
MEDIA = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".bmp", ".tiff", ".psd", ".svg", ".pdf"),
        *(".mp3", ".mp4", ".m4a", ".mov", ".webm", ".ogg", ".wav", ".woff", ".woff2", ".ttf", ".otf", ".eot"),
        *(".csv", ".tsv", ".parquet", ".npy", ".npz", ".onnx", ".pt", ".bin", ".wasm", ".so", ".dll", ".mo"),
    }
)
LEFT_SECONDS = 3600.0  # so old a tree belongs to no scan any more: a crash has left it


@dataclasses.dataclass(frozen=True, slots=True)
class Equipment:
    """What is scanned with.  `folder` keeps caches and throw-away trees."""

    box: Box
    folder: Path
    registries: Registries
    tools: Sequence[Tool] = SCANNERS
    warmed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    async def warm(self) -> None:
        """What takes a tool seconds the first time is done before the first change comes."""
        try:
            await warm(self.box, self.folder / "tools", self.tools)
        finally:
            self.warmed.set()

    async def ready(self) -> None:
        """Raises Unavailable while previews would wait for it."""
        if not self.warmed.is_set():
            raise Unavailable("The scanners are getting ready, which takes some seconds the first time.")

    async def close(self) -> None:
        await self.registries.close()
        await self.box.close()


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """One head to be scanned."""

    project: Project
    repository: Repository
    number: int
    head: str
    base: str | None
    commits: int | None
    trusted: bool
    scanners: Sequence[Scanner]

    @property
    def key(self) -> scans.Key:
        return (self.project.id, self.number, self.head)


@dataclasses.dataclass(frozen=True, slots=True)
class _File:
    """One version of a file.  `commit`: it is not the head's, but of that commit."""

    path: str
    blob: str
    commit: str | None = None


_Ignores = tuple[list[Ignore], list[str]]


class Scanning:
    """Scans a head and keeps what was found in the books."""

    def __init__(self, store: Store, sources: Sources, equipment: Equipment, clock: Callable[[], float]) -> None:
        self._store, self._sources, self._equipment, self._clock = store, sources, equipment, clock
        self._results, self._trees = Results(equipment.folder / "results"), equipment.folder / "trees"
        self._used: set[Path] = set()  # trees that a scan of ours reads
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def __call__(
        self,
        project: Project,
        repository: Repository,
        pull: PullRequest,
        *,
        base: str | None,
        commits: int | None,
        trusted: bool,
        scanners: Sequence[Scanner] = (),
    ) -> None:
        """See `bot.reports.scan.Scanner`.

        Raises GitHubDown and TryLater; whatever else goes wrong is kept as why there is no report."""
        asked = _Asked(project, repository, pull.number, pull.head_sha, base, commits, trusted, scanners)
        if self._turn.locked():  # nobody waits here: what waits in the queue takes no place from others
            later = dt.datetime.fromtimestamp(self._clock() + LATER_SECONDS, dt.UTC)
            raise TryLater("Other scans go first.", later)
        async with self._turn:
            try:
                report, change, sbom = await self._scan(asked)
            except (SourceUnavailable, GitHubRefused) as error:
                await self._store.write(scans.end, asked.key, None, self._clock(), fault=str(error))
                return
        await self._store.write(scans.end, asked.key, report, self._clock(), base=change.base, sbom=sbom)

    async def forget(self) -> None:
        """Let go of old results, and of trees that a crash has left."""
        await asyncio.to_thread(self._forget)

    def _forget(self) -> None:
        self._results.forget()
        before = time.time() - LEFT_SECONDS  # the file system's clock, whatever ours is
        for tree in set(self._trees.glob("*")) - self._used:  # a machine may have slept through a scan
            with contextlib.suppress(OSError):  # its scan has just ended
                if tree.stat(follow_symlinks=False).st_mtime < before:
                    shutil.rmtree(tree, ignore_errors=True)

    async def _scan(self, asked: _Asked) -> tuple[Report, Change, bytes]:
        token = await asked.repository.git_token()
        names = (asked.project.id, asked.project.full_name)
        async with together() as group:
            changing = group.create_task(self._sources.change(*names, asked.base, asked.head, token, asked.commits))
            ignoring = group.create_task(self._ignores(asked))
        change, ignores = changing.result(), ignoring.result()
        here = [_File(one.path, one.after) for one in change.files if one.after is not None]
        shown = {(one.path, one.blob) for one in here}
        former = [_File(one.path, one.blob, one.commit) for one in change.seen if (one.path, one.blob) not in shown]
        tools, unknown = chosen(self._equipment.tools, asked.scanners)
        everywhere = [one for one in tools if one.history]
        others = [one for one in tools if not one.history]
        async with together() as group:
            leaking = group.create_task(self._leaks(asked, change, ignores, everywhere, [*here, *former]))
            resting = group.create_task(self._new(asked, change, others, here))
            packing = group.create_task(self._packages(asked, change))
        packages, leaks = packing.result(), leaking.result()
        rest = await self._excused(asked, change, _joined([resting.result(), packages.report]), ignores)
        report = _joined([leaks, rest])
        report = dataclasses.replace(report, ran=(*report.ran, *unknown, *_unseen(change), *_faulty(ignores)))
        return report, change, json.dumps(packages.sbom).encode()

    async def _packages(self, asked: _Asked, change: Change) -> Examined:
        """Only manifests come out of git: writing a large tree takes longer than all scanners."""
        manifests = functools.partial(self._sources.listed, asked.project.id, wanted=MANIFESTS)
        named = (asked.project.full_name, change.head)
        known = asked.repository.advisories()
        laid = functools.partial(self._laid, asked)
        return await examined(self._equipment.registries, manifests, laid, named, known, change, self._clock())

    async def _leaks(
        self, asked: _Asked, change: Change, ignores: _Ignores, tools: Sequence[Tool], files: Sequence[_File]
    ) -> Report:
        found = await self._excused(asked, change, await self._new(asked, change, tools, files), ignores)
        await self._store.write(scans.note_secrets, asked.key, found, self._clock())
        return found

    async def _new(self, asked: _Asked, change: Change, tools: Sequence[Tool], files: Sequence[_File]) -> Report:
        """What these scanners find in the files, and what of it the base does not have."""
        found, ran = await self._found(asked, tools, files)
        bases = {one.path: _File(one.former or one.path, one.before) for one in change.files if one.before is not None}
        touched = {path: bases[path] for path in sorted({one.path for one in found if one.path in bases})}
        older, again = await self._found(asked, tools, list(touched.values()))
        known: dict[str, float] = {}
        for one in await self._moved(asked, older, touched):
            known[one.fingerprint] = max(one.score, known.get(one.fingerprint, 0.0))
        # What was a trifle where it stood (a test's) and is none any more counts as new, too.
        new = frozenset(one.fingerprint for one in found if one.score > known.get(one.fingerprint, 0.0))
        silent = [one for one in again if one.fault and one.needed]  # else what is known would look new
        return Report(tuple(found), new, (*ran, *silent))

    async def _moved(self, asked: _Asked, older: Sequence[Finding], bases: Mapping[str, _File]) -> list[Finding]:
        """What the base has, under the names that its files have now."""
        now = {file.path: (path, file.blob) for path, file in bases.items() if file.path != path}
        there = {now[one.path] for one in older if one.path in now}
        if not there:
            return list(older)
        found = [one for one in older if one.path not in now]
        moved = [dataclasses.replace(one, path=now[one.path][0]) for one in older if one.path in now]
        async with self._laid(asked, sorted(there)) as root:
            return found + await asyncio.to_thread(fingerprinted, moved, lambda path: _lines(root / path))

    async def _found(
        self, asked: _Asked, tools: Sequence[Tool], files: Sequence[_File]
    ) -> tuple[list[Finding], list[Ran]]:
        """What the scanners say of these files, as before where they have seen them, and how they went."""
        wanted = _wanted(tools, files)
        if not wanted:
            return [], []
        scanners = await edition(tools)
        known = await asyncio.to_thread(self._known, scanners, wanted)
        left = [one for one in wanted if known[one] is None]
        ran = [Ran(tool.name, version="as before") for tool in tools if tool.needed and _wanted([tool], wanted)]
        fresh: Mapping[_File, list[Finding]] = {}
        if left:
            fresh, ran = await self._looked(asked, tools, left)
            await asyncio.to_thread(self._keep, scanners, fresh, ran)
        seen = [*known.items(), *fresh.items()]
        return _once([_of(one, finding) for one, findings in seen for finding in findings or ()]), ran

    async def _looked(
        self, asked: _Asked, tools: Sequence[Tool], files: Sequence[_File]
    ) -> tuple[dict[_File, list[Finding]], list[Ran]]:
        """Run the scanners.  Where one path may have several versions, each has a folder of its own."""
        apart = any(tool.history for tool in tools)
        places = {f"{one.blob}/{one.path}" if apart else one.path: one for one in files}
        async with self._laid(asked, [(place, one.blob) for place, one in places.items()]) as root:
            if apart:
                names = await asyncio.to_thread(neutral, root, places)
                places = {names[place]: one for place, one in places.items()}
            cache = self._equipment.folder / "tools"
            seen, ran = await scan(root, list(places), self._equipment.box, cache, tools)
            found = await asyncio.to_thread(_sorted, seen, places, root, apart)
        return found, ran

    @contextlib.asynccontextmanager
    async def _laid(self, asked: _Asked, files: Sequence[tuple[str, str]]) -> AsyncIterator[Path]:
        root = self._trees / secrets.token_hex(8)
        self._used.add(root)
        try:
            await asyncio.to_thread(self._trees.mkdir, 0o755, True, True)
            await self._sources.lay_out(asked.project.id, files, root)
            yield root
        finally:
            self._used.discard(root)
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, root, ignore_errors=True))

    def _known(self, scanners: str, files: Iterable[_File]) -> dict[_File, list[Finding] | None]:
        return {one: self._results.get(scanners, one.path, one.blob) for one in files}

    def _keep(self, scanners: str, found: Mapping[_File, list[Finding]], ran: Sequence[Ran]) -> None:
        # An extra that is not there may stay away; what is needed and absent has to be told the next time, too.
        if any(one.fault and (one.needed or not one.fault.startswith(ABSENT)) for one in ran):
            return
        for one, findings in found.items():
            self._results.put(scanners, one.path, one.blob, findings)

    async def _ignores(self, asked: _Asked) -> _Ignores:
        """What the target branch says now may be ignored: a change can't excuse itself, nor be of an older opinion."""
        if asked.base is None:
            return [], []
        try:
            file = await asked.repository.file(IGNORES, asked.base)
        except NotAFile as odd:
            return [], [f"is {odd}"]
        return parse(file.content.decode("utf-8", "replace")) if file is not None else ([], [])

    async def _excused(self, asked: _Asked, change: Change, report: Report, ignores: _Ignores) -> Report:
        """With what code and base excuse.  Lines are read once more, of the few files that have findings."""
        if not report.findings:
            return report
        paths = {one.path for one in report.findings if one.commit is None}
        files = [one for one in change.files if one.path in paths]
        laid = [(f"after/{one.path}", one.after) for one in files if one.after]
        laid += [(f"before/{one.path}", one.before) for one in files if one.before]
        async with self._laid(asked, laid) as root:
            found, asks = await asyncio.to_thread(
                applied,
                report.findings,
                lambda path: _lines(root / "after" / path),
                lambda path: _lines(root / "before" / path),
                ignores[0],
                dt.datetime.fromtimestamp(self._clock(), dt.UTC).date(),
                trusted=asked.trusted,
            )
        return dataclasses.replace(report, findings=tuple(found), asks=tuple(asks))


def _wanted(tools: Sequence[Tool], files: Sequence[_File]) -> list[_File]:
    return [one for one in files if any(tool.wants(one.path) for tool in tools)]


def _joined(parts: Sequence[Report]) -> Report:
    return Report(
        tuple(one for part in parts for one in part.findings),
        frozenset().union(*(part.new for part in parts)),
        tuple(one for part in parts for one in part.ran),
        tuple(one for part in parts for one in part.asks),
    )


def _unseen(change: Change) -> Iterator[Ran]:
    """What nobody looked at is no pass; where it can't matter it is told, no more."""
    if not change.whole or change.cut:
        words = "not all of the change could be looked at; rebase it, squash it to fewer commits, or split it"
        yield Ran("history", fault=words)
    hidden = [path for path in change.unseen if PurePosixPath(path).suffix.lower() not in MEDIA]
    if hidden:
        yield Ran("files", fault=f"{len(hidden)} can't be looked at: too large, or oddly named")
    for words in change.left_out:
        yield Ran("left out", fault=words[:300], needed=False)


def _faulty(ignores: _Ignores) -> Iterator[Ran]:
    return (Ran(IGNORES, fault=words, needed=False) for words in ignores[1])


def _sorted(
    seen: Iterable[Finding], places: Mapping[str, _File], root: Path, apart: bool
) -> dict[_File, list[Finding]]:
    """Findings by the file they are about; in folders of their own they were named by place, so they get new names."""
    found: dict[_File, list[Finding]] = {one: [] for one in places.values()}
    for finding in seen:
        one = places.get(finding.path)
        if one is not None:
            found[one].append(dataclasses.replace(finding, path=one.path))
    if apart:
        for place, one in places.items():
            if found[one]:
                found[one] = fingerprinted(found[one], functools.partial(_same, _lines(root / place)))
    return found


def _same(lines: Sequence[str], _path: str) -> Sequence[str]:
    return lines


def _of(file: _File, finding: Finding) -> Finding:
    return dataclasses.replace(finding, commit=file.commit)


def _once(found: Iterable[Finding]) -> list[Finding]:
    """One secret in ten commits is one finding; where it stands in the head's files, it is that one."""
    kept: dict[str, Finding] = {}
    for one in found:
        if one.fingerprint not in kept or one.commit is None:
            kept[one.fingerprint] = one
    return sorted(kept.values(), key=lambda one: (one.path, one.line, one.tool, one.rule))


def _lines(file: Path) -> Sequence[str]:
    try:
        return file.read_text("utf-8", "replace").split("\n")
    except OSError:
        return []
