"""What a change depends on: packages that are new in it, what is known against them, and the list of all."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from bot.scanners.dependencies import MANIFESTS, Advisories, Dependency, Registries, examine, read, sbom
from bot.scanners.findings import Ran, Report
from bot.sources.changes import Change

DEEP = 6  # folders below the root in which manifests are looked for
LARGEST = 8 * 1024**2  # bytes of one manifest: lock files of large projects have a few million
MOST = 200  # manifests
ELSEWHERE = frozenset({"node_modules", "vendor", "third_party", "site-packages", "dist", "build"})


Laid = Callable[[Sequence[tuple[str, str]]], AbstractAsyncContextManager[Path]]  # (path, blob) as plain files


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """`sbom`: everything the head depends on, as CycloneDX."""

    report: Report
    sbom: dict[str, Any]


async def examined(
    registries: Registries,
    head: Path,
    laid: Laid,
    named: tuple[str, str],
    advisories: Advisories,
    change: Change,
    now: float,
) -> Examined:
    """`head`: the files of the head.  `named`: project and commit.  Raises SourceUnavailable."""
    after = await asyncio.to_thread(lambda: dict(_manifests(head)))
    every, faults = await asyncio.to_thread(read, after)
    listed = sbom(every, *named, now)
    if not any(MANIFESTS(one.path) for one in change.files):
        return Examined(Report(ran=tuple(Ran("dependencies", fault=one, needed=False) for one in faults)), listed)
    before = await _before(laid, change, after)
    old, known = await asyncio.to_thread(read, before)
    # What the change itself makes unreadable is no pass: installers may read it all the same.
    ran = [Ran("dependencies", fault=one, needed=one not in known) for one in faults]
    names, pinned = {_name(one) for one in old}, {(*_name(one), one.version) for one in old}
    added = [one for one in every if _name(one) not in names]
    fresh = [one for one in every if (*_name(one), one.version) not in pinned]
    found, asked = await examine(added, fresh, registries, advisories, now)
    new = frozenset(one.fingerprint for one in found)
    return Examined(Report(tuple(found), new, (*asked, *ran)), listed)


async def _before(laid: Laid, change: Change, after: Mapping[str, bytes]) -> dict[str, bytes]:
    """The manifests as the merge base has them."""
    changed = {one.path: one.before for one in change.files if MANIFESTS(one.path)}
    former = [(path, blob) for path, blob in changed.items() if blob is not None]
    async with laid(former) as root:
        content = await asyncio.to_thread(lambda: {path: (root / path).read_bytes() for path, _blob in former})
    return {path: said for path, said in after.items() if path not in changed} | content


def _manifests(root: Path) -> Iterator[tuple[str, bytes]]:
    """Never through a link: the tree is as hostile as its author."""
    count = 0
    for at, folders, files in os.walk(root):
        here = Path(at).relative_to(root)
        deep = len(here.parts)
        folders[:] = sorted(one for one in folders if one not in ELSEWHERE and not one.startswith(".")) * (deep < DEEP)
        for name in sorted(files):
            path, file = (here / name).as_posix(), Path(at) / name
            if not MANIFESTS(path) or file.is_symlink() or not file.is_file() or file.stat().st_size > LARGEST:
                continue
            count += 1
            if count > MOST:
                return
            yield path, file.read_bytes()


def _name(one: Dependency) -> tuple[str, str]:
    return one.ecosystem, one.name
