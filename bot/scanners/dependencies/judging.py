"""What is wrong with the names of a change: made up, brand new, mistaken for others, known to be broken or hostile."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bot.errors import SlipwayError
from bot.scanners.dependencies.dependency import Advisories, Advisory, Dependency, Ecosystem, normal
from bot.scanners.dependencies.registries import Registries, Standing, Unanswered
from bot.scanners.dependencies.slips import near
from bot.scanners.dependencies.versions import within
from bot.scanners.findings import Finding, Kind, Ran

TOOL = "dependencies"
WEEK = 7 * 86400.0
ASKED = 400  # names of one change, those that a person wrote first
SECONDS = 45.0  # for all of them
SCORES = {"critical": 9.5, "high": 8.0, "moderate": 5.5, "medium": 5.5, "low": 2.0}
LONGEST = 500  # letters of a message
INDEX = {"pip": "the Python package index", "npm": "the npm registry"}
ECOSYSTEMS: tuple[Ecosystem, ...] = ("pip", "npm")

Named = tuple[Ecosystem, str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """One name that the change adds: where it is shown, and how each of its versions stands."""

    place: Dependency
    standings: Mapping[str | None, Standing]


async def examine(
    added: Sequence[Dependency],
    everything: Sequence[Dependency],
    registries: Registries,
    advisories: Advisories,
    now: float,
    min_age: float = WEEK,
) -> tuple[list[Finding], list[Ran]]:
    """Judge the names that a change adds, and every exact version in it.  Nothing is raised: a `Ran` has the fault."""
    usual = [one for one in added if not one.source or one.source in registries.indexes.hosts]
    (asked, ran), (known, told) = await asyncio.gather(
        _registered(_named(usual), registries), _advised(everything, advisories)
    )
    places = [_Asked(place, asked.get(name, {})) for name, place in _places(usual).items()]
    found = [one for place in places for one in _judged(place, now, min_age)]
    found += _strangers([one for one in added if one.source and one.source not in registries.indexes.hosts])
    found += [one for advisory in known for one in matched(advisory, everything)]
    undated = [one.place.name for one in places if _undated(one)]
    if undated:
        fault = f"no registry says when {_some(undated)} came out: its age is unknown"
        ran.append(Ran("package age", fault=fault, needed=False))
    unique = {one.fingerprint: one for one in sorted(found, key=lambda one: one.score)}  # the gravest stays
    return sorted(unique.values(), key=lambda one: (-one.score, one.path, one.line, one.rule)), [*ran, told]


def _named(added: Sequence[Dependency]) -> dict[Named, set[str | None]]:
    """The names to be asked for and their versions, those that somebody wrote first."""
    found: dict[Named, set[str | None]] = {}
    for one in sorted(added, key=lambda one: not one.direct):
        found.setdefault((one.ecosystem, one.name), set()).add(one.version)
    return {name: versions - {None} or {None} for name, versions in found.items()}


def _places(added: Sequence[Dependency]) -> dict[Named, Dependency]:
    found: dict[Named, Dependency] = {}
    for one in sorted(added, key=lambda one: (not one.direct, one.path, one.line)):
        found.setdefault((one.ecosystem, one.name), one)
    return found


async def _registered(
    named: Mapping[Named, set[str | None]], registries: Registries
) -> tuple[dict[Named, Mapping[str | None, Standing]], list[Ran]]:
    """What the registries say, and how asking them went."""
    start, faults = time.monotonic(), dict[str, None]()
    found: dict[Named, Mapping[str | None, Standing]] = {}

    async def ask(name: Named, versions: set[str | None]) -> None:
        try:
            found[name] = {one: await registries.standing(*name, one) for one in sorted(versions, key=str)}
        except Unanswered as error:
            faults.setdefault(str(error))

    try:
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            for name, versions in list(named.items())[:ASKED]:
                group.create_task(ask(name, versions))
    except TimeoutError:
        faults.setdefault(f"only {len(found)} of {len(named)} names were asked for in {SECONDS:g} s")
    fault = "; ".join(list(faults)[:3]) or None
    ran = [Ran("registry", seconds=time.monotonic() - start, fault=fault, needed=bool(named))]
    if len(named) > ASKED:
        words = f"{len(named) - ASKED} of {len(named)} new names were not asked for: they are too many"
        ran.append(Ran("registry, the rest", fault=words, needed=False))
    return found, ran


def _judged(one: _Asked, now: float, min_age: float) -> list[Finding]:
    place, index = one.place, INDEX[one.place.ecosystem]
    like = near(place.name, place.ecosystem) if place.direct else None
    meant = f"; its name is close to {like}" if like else ""
    if any(not standing.exists for standing in one.standings.values()):
        words = f"{place.name} is not in {index}{meant}: anybody may register it and ship what they like"
        return [_finding("not-in-registry", 9.0, place, words, _mean(like, "Remove it, or name what was meant."))]
    found = []
    if like:
        words = f"{place.name} is not {like}, a well-known package whose name is close to it"
        found.append(_finding("near-miss-name", 7.0, place, words, _mean(like, "")))
    ages = {version: now - one.published for version, one in one.standings.items() if one.published is not None}
    young = min(ages, key=lambda version: ages[version], default=None)
    if ages and ages[young] < min_age:
        words = f"{_at(place.name, young)} came out {_span(ages[young])} ago, less than {_span(min_age)}"
        text = "Wait, or use an older version: hostile packages are mostly found in their first days."
        found.append(_finding("too-new", 7.0, place, words, text))
    return found


def _strangers(added: Sequence[Dependency]) -> list[Finding]:
    """Names that no registry was asked about; of a lock file one for each place that it takes them from."""
    found: dict[tuple[str, str, str], list[Dependency]] = {}
    for one in sorted(added, key=lambda one: (one.path, one.line)):
        found.setdefault((one.path, one.source, one.name if one.direct else ""), []).append(one)
    told = []
    for (_, source, _), every in found.items():
        place, names = every[0], _some(list(dict.fromkeys(one.name for one in every)))
        words = f"{names}: from {_word(source)}, not from {INDEX[place.ecosystem]}; nothing more is known of it"
        told.append(_finding("not-from-registry", 4.0, place, words, "Use a released version from the registry."))
    return told


def _undated(one: _Asked) -> bool:
    return any(standing.exists and standing.published is None for standing in one.standings.values())


async def _advised(everything: Sequence[Dependency], advisories: Advisories) -> tuple[list[Advisory], Ran]:
    start, known, fault, asked = time.monotonic(), dict[tuple[str, str, str], Advisory](), None, 0
    for ecosystem in ECOSYSTEMS:
        packages = named_versions(everything, ecosystem)
        asked += len(packages)
        try:
            for one in await advisories(ecosystem, packages) if packages else ():
                known.setdefault((one.id, one.package, one.range), one)
        except SlipwayError as error:
            fault = str(error)[:LONGEST]
    ran = Ran("advisories", seconds=time.monotonic() - start, fault=fault, needed=asked > 0)
    return list(known.values()), ran


def named_versions(everything: Sequence[Dependency], ecosystem: Ecosystem) -> list[str]:
    """As advisories are asked for them: "flask@0.12"."""
    return sorted({f"{one.name}@{one.version}" for one in everything if one.ecosystem == ecosystem and one.version})


def matched(advisory: Advisory, everything: Sequence[Dependency]) -> list[Finding]:
    """The names that an advisory is about, each told once, where a person wrote it if anybody did."""
    name = normal(advisory.ecosystem, advisory.package)
    hit: defaultdict[Dependency, list[str]] = defaultdict(list)
    places: dict[str, Dependency] = {}
    ours = (one for one in everything if one.ecosystem == advisory.ecosystem and one.name == name and one.version)
    for one in sorted(ours, key=lambda one: (not one.direct, one.path, one.line)):
        if one.version and within(one.ecosystem, one.version, advisory.range) is not False:
            hit[places.setdefault(one.name, one)].append(one.version)
    kind: Kind = "malware" if advisory.malware else "dependency"
    words = "is known to be hostile" if advisory.malware else "is known to be vulnerable"
    score = 10.0 if advisory.malware else advisory.score or SCORES.get(advisory.severity, 5.5)
    found = []
    for place, versions in hit.items():
        message = f"{_at(place.name, ', '.join(dict.fromkeys(versions)))} {words}: {advisory.summary}"
        found.append(_finding(advisory.id, score, place, message, _mend(advisory), kind=kind, url=advisory.url))
    return found


def _mend(advisory: Advisory) -> str:
    if advisory.malware:
        return "Remove it, and change every secret that the machines which installed it could read."
    return f"Update it to {advisory.fixed} or later." if advisory.fixed else "No version without it is known."


def _finding(
    rule: str, score: float, place: Dependency, message: str, text: str, *, kind: Kind = "dependency", url: str = ""
) -> Finding:
    return Finding(
        tool=TOOL,
        rule=rule,
        kind=kind,
        score=score,
        path=place.path,
        line=place.line,
        end_line=place.line,
        message=_word(message, LONGEST),
        fingerprint=fingerprint(rule, place.path, place.ecosystem, place.name),
        help=text,
        url=url,
    )


def fingerprint(rule: str, path: str, ecosystem: str, name: str) -> str:
    """A name stays the same finding wherever in its file it stands."""
    said = "\0".join((TOOL, rule, path, ecosystem, name)).encode("utf-8", "surrogatepass")
    return f"{hashlib.sha256(said).hexdigest()[:16]}:0"


def _mean(like: str | None, otherwise: str) -> str:
    return f"If {like} was meant, write that." if like else otherwise


def _at(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else name


def _span(seconds: float) -> str:
    hours = max(0.0, seconds) / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(_word(name, 60) for name in names[:3]) + more


def _word(text: str, most: int = 120) -> str:
    """Others' words on one line."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
