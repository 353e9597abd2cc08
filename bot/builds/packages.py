"""What a change depends on: packages that are new in it, what is known against them, and the list of all."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from bot.scanners.dependencies import MANIFESTS, Advisories, Dependency, Registries, examine, read, sbom
from bot.scanners.findings import Ran, Report
from bot.sources.changes import VENDORED, Change, names
from bot.sources.plain import Listed

LARGEST = 8 * 1024**2  # bytes of one manifest: lock files of large projects have a few million
ALL_BYTES = 64 * 1024**2  # of all of them
MOST = 200  # manifests: those that the change touches first, then those nearest to the root
ELSEWHERE = VENDORED | {"third_party", "site-packages", "venv"}  # what others wrote, and nobody installs from
VENDORS = "in folders of others' code"


Laid = Callable[[Sequence[tuple[str, str]]], AbstractAsyncContextManager[Path]]  # (path, blob) as plain files
Manifests = Callable[[str], Awaitable[Sequence[Listed]]]  # of a commit


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """`sbom`: everything the head depends on, as CycloneDX."""

    report: Report
    sbom: dict[str, Any]


async def examined(
    registries: Registries,
    manifests: Manifests,
    laid: Laid,
    named: tuple[str, str],
    advisories: Advisories,
    change: Change,
    now: float,
) -> Examined:
    """`named`: project and commit.  Raises SourceUnavailable."""
    touched = {one.path for one in change.files}
    wanted, left = _chosen(await manifests(change.head), touched)
    former = set(await manifests(change.base)) if left and change.base else set()
    after = await _content(laid, [(one.path, one.blob) for one in wanted])
    every, faults = await asyncio.to_thread(read, after)
    listed = sbom(every, *named, now)
    ran = list(_untold(left, former))
    if not any(MANIFESTS(path) for path in touched):
        told = (Ran("dependencies", fault=one, needed=False) for one in faults)
        return Examined(Report(ran=(*told, *ran)), listed)
    before = await _before(laid, change, after)
    old, known = await asyncio.to_thread(read, before)
    # What the change itself makes unreadable is no pass: installers may read it all the same.
    ran += [Ran("dependencies", fault=one, needed=one not in known) for one in faults]
    added, fresh = _new(every, old)
    found, asked = await examine(added, fresh, registries, advisories, now)
    new = frozenset(one.fingerprint for one in found)
    return Examined(Report(tuple(found), new, (*asked, *ran)), listed)


def _new(every: Sequence[Dependency], old: Sequence[Dependency]) -> tuple[list[Dependency], list[Dependency]]:
    """The names that the base does not have, and the versions that it does not have."""
    familiar, pinned = {_name(one) for one in old}, {(*_name(one), one.version) for one in old}
    added = [one for one in every if _name(one) not in familiar]
    return added, [one for one in every if (*_name(one), one.version) not in pinned]


async def _before(laid: Laid, change: Change, after: Mapping[str, bytes]) -> dict[str, bytes]:
    """The manifests as the merge base has them, each under the name that it had there."""
    changed = {one.path: None if one.former else one.before for one in change.files if MANIFESTS(one.path)}
    content = await _content(laid, [(path, blob) for path, blob in changed.items() if blob is not None])
    return {path: said for path, said in after.items() if path not in changed} | content


async def _content(laid: Laid, files: Sequence[tuple[str, str]]) -> dict[str, bytes]:
    if not files:
        return {}
    async with laid(files) as root:
        return await asyncio.to_thread(lambda: {path: (root / path).read_bytes() for path, _blob in files})


def _chosen(every: Sequence[Listed], touched: set[str]) -> tuple[list[Listed], dict[str, list[Listed]]]:
    """What is read, and why the others are not."""
    chosen: list[Listed] = []
    left: dict[str, list[Listed]] = {}
    total = 0
    for one in sorted(every, key=lambda one: (one.path not in touched, one.path.count("/"), one.path)):
        why = _why_not(one)
        if why is None and (len(chosen) >= MOST or total + one.size > ALL_BYTES):
            why = f"above {MOST} of them, or {ALL_BYTES >> 20} MiB in all"
        if why is None:
            total += one.size
            chosen.append(one)
        else:
            left.setdefault(why, []).append(one)
    return chosen, left


def _why_not(one: Listed) -> str | None:
    if not ELSEWHERE.isdisjoint(one.path.split("/")[:-1]):
        return VENDORS
    if not one.plain:
        return "links"
    if one.size > LARGEST:
        return f"larger than {LARGEST >> 20} MiB"
    try:
        one.path.encode()
    except UnicodeEncodeError:
        return "not named in UTF-8"
    return None


def _untold(left: Mapping[str, Sequence[Listed]], former: set[Listed]) -> Iterator[Ran]:
    """What the change brings or changes and nobody read is no pass: an installer may read it.

    What stood there before is told; so is what comes with others' code, which is left out as a whole."""
    for why, every in left.items():
        brought = [one.path for one in every if one not in former]
        stood = [one.path for one in every if one in former and why != VENDORS]
        for paths, needed in ((brought, why != VENDORS), (stood, False)):
            if paths:
                count = f"{len(paths):,} manifest{'' if len(paths) == 1 else 's'} not read, {why}: {names(paths)}"
                yield Ran("dependencies", fault=count[:300], needed=needed)


def _name(one: Dependency) -> tuple[str, str]:
    return one.ecosystem, one.name
