"""SARIF 2.1.0: what any scanner writes becomes our findings, and our findings become one file that is in order.

What a scanner prints is outside text: paths outside the tree are dropped, suppressions of its own don't count, and of
what it says about a secret nothing is kept but the rule's name.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from bot.errors import SlipwayError
from bot.scanners.findings import Finding, Kind, Ran, Report
from bot.scanners.severity import quotes, trivial, weigh

LARGEST = 32 * 1024 * 1024  # bytes of one report
DEEPEST = 64  # lists and objects inside each other
MOST = 5_000  # findings of one report, as code scanning keeps; above it only low ones are left out
LONGEST = 500  # characters of a message
IN_SOURCE = "in the file: "  # how the reason of a suppression begins that stands in the code itself

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ELSEWHERE = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)  # a URL of another kind, or a file so named
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\([^()\s]{1,500}\)")
_KEY = re.compile(r"(?=[A-Za-z+_=-]*[0-9])(?=[0-9+_=-]*[A-Za-z])[A-Za-z0-9+_=-]{20,}")  # what may be one
_NO_FINDINGS = frozenset({"pass", "notApplicable"})
_LEVELS = {4: "error", 3: "error", 2: "warning", 1: "note"}

Lines = Callable[[str], Sequence[str]]  # path -> its lines; none where there is no such file


class NoReport(SlipwayError):
    """What a scanner printed is no report of it; the words say why."""


def read(raw: bytes, tool: str, root: Path, lines: Lines) -> list[Finding]:
    """What a scanner says of the files under `root`, by path and line.  Raises NoReport.

    A result with no place inside `root` is dropped.  Of more than MOST findings low ones are left out; where that is
    not enough there is no report."""
    reading = _Reading(tool, _roots(root), functools.cache(lines))
    found = [one for run in _runs(raw) for one in reading.run(run)]
    found.sort(key=lambda one: (one.path, one.line, one.end_line, one.rule))
    found = fingerprinted(found, reading.lines)
    if len(found) <= MOST:
        return found
    kept = sorted(found, key=lambda one: -one.score)
    if kept[MOST].score >= 4.0:
        raise NoReport(f"it has {len(found):,} findings; {MOST:,} are read")
    return sorted(kept[:MOST], key=lambda one: (one.path, one.line, one.end_line, one.rule))


def fingerprinted(findings: Iterable[Finding], lines: Lines) -> list[Finding]:
    """The same findings in the same order, each with a fingerprint that stays when its line moves.

    It is made of tool, rule, path and the flagged line without white space; equal ones are numbered from above, so a
    copy has one of its own."""
    given = list(findings)
    texts = functools.cache(lines)
    prints = [_hash(one.tool, one.rule, one.path, bare(texts(one.path), one.line)) for one in given]
    above: Counter[str] = Counter()
    numbers: dict[int, int] = {}
    for at in sorted(range(len(given)), key=lambda at: (given[at].line, at)):
        numbers[at] = above[prints[at]]
        above[prints[at]] += 1
    return [dataclasses.replace(one, fingerprint=f"{prints[at]}:{numbers[at]}") for at, one in enumerate(given)]


def plain(text: object, most: int) -> str:
    """One line of outside text: no control characters, none that turn the writing round, no broken Unicode."""
    if not isinstance(text, str):
        return ""
    whole = "".join(letter for letter in " ".join(text[: 8 * most].split()) if letter.isprintable())
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def hushed(text: str) -> str:
    """Without any word that may be a key."""
    return _KEY.sub("…", text)


def bare(lines: Sequence[str], number: int) -> str:
    """A line without white space; nothing where there is none of this number."""
    return "".join(_at(lines, number).split())


def _at(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _runs(raw: bytes) -> list[dict[str, Any]]:
    if len(raw) > LARGEST:
        raise NoReport(f"it has {len(raw):,} bytes; {LARGEST:,} are read")
    text = raw.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if not text.strip():
        raise NoReport("it is empty")
    try:
        log = json.loads(text, parse_constant=lambda _word: None)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NoReport(f"it is no JSON, or only a part of it{at}") from None  # the cause would quote the text
    if not isinstance(log, dict) or not str(log.get("version", "")).startswith("2.1"):
        raise NoReport("it is no SARIF 2.1")
    if _deep(log):
        raise NoReport(f"it is nested deeper than {DEEPEST} levels")
    runs = log.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise NoReport("it has no runs")
    return runs


def _deep(log: object) -> bool:
    level: list[Any] = [log]
    for _ in range(DEEPEST):
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for many in inside for one in many if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _roots(root: Path) -> tuple[str, ...]:
    """As tools may spell it: as given, and without links."""
    return tuple(dict.fromkeys(str(one).rstrip("/") + "/" for one in (root.absolute(), root.resolve())))


class _Reading:
    """The results of one tool's runs, each told once."""

    def __init__(self, tool: str, roots: tuple[str, ...], lines: Lines) -> None:
        self.tool, self.roots, self.lines = tool, roots, lines
        self._seen: set[tuple[object, ...]] = set()

    def run(self, run: dict[str, Any]) -> Iterator[Finding]:
        driver = _object(_object(run.get("tool")).get("driver"))
        if not driver:
            raise NoReport("a run does not say which tool it is of")
        if any(_object(one).get("executionSuccessful") is False for one in _list(run.get("invocations"))):
            raise NoReport("it says that the scanner did not come to its end")
        results = run.get("results")
        if not isinstance(results, list):
            raise NoReport("a run has no results, not even none")
        parts = [driver, *map(_object, _list(_object(run.get("tool")).get("extensions")))]
        rules = [_object(rule) for part in parts for rule in _list(part.get("rules"))]
        named = {str(rule["id"]): rule for rule in reversed(rules) if isinstance(rule.get("id"), str)}
        bases = _object(run.get("originalUriBaseIds"))
        for result in results:
            if not isinstance(result, dict):
                raise NoReport("a result is no object")
            if result.get("kind") in _NO_FINDINGS or result.get("baselineState") == "absent":
                continue
            finding = self._finding(result, rules, named, bases)
            if finding is not None:
                yield finding

    def _finding(
        self,
        result: dict[str, Any],
        rules: Sequence[dict[str, Any]],
        named: Mapping[str, dict[str, Any]],
        bases: dict[str, Any],
    ) -> Finding | None:
        places = [*_list(result.get("locations")), *_list(result.get("relatedLocations"))]
        place = next((found for one in places if (found := self._place(_object(one), bases)) is not None), None)
        if place is None:
            return None
        path, region = place
        name, rule = _rule(result, rules, named)
        name = plain(name, 200).removeprefix(f"{self.tool}/") or "unnamed"
        line, end = self._between(path, region)
        said = plain(_message(result, rule), 8 * LONGEST)
        seen = (name, path, line, end, str(region.get("startColumn")), said)
        if seen in self._seen:
            return None
        self._seen.add(seen)
        kind, score, mend = weigh(self.tool, name, _level(result, rule), _given(result, rule), path, said)
        if kind == "secret" and score < 7.0 and trivial(_at(self.lines(path), line)):
            kind, score = "config", 3.0
        said = plain(_told(self.tool, name, kind, said), LONGEST) or name
        url = rule.get("helpUri")
        url = plain(url, 300) if isinstance(url, str) and url.startswith(("https://", "http://")) else ""
        return Finding(self.tool, name, kind, score, path, line, end, said, help=mend, url=url)

    def _between(self, path: str, region: dict[str, Any]) -> tuple[int, int]:
        """The first line and the last; 0 where it says none."""
        last = len(self.lines(path)) or 10_000_000
        line = min(_whole(region.get("startLine")), last)
        return line, min(max(_whole(region.get("endLine")), line), last) if line else 0

    def _place(self, location: dict[str, Any], bases: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        physical = _object(location.get("physicalLocation"))
        artifact = _object(physical.get("artifactLocation"))
        uri = artifact.get("uri")
        if not isinstance(uri, str) or not uri or len(uri) > 20_000:
            return None
        under = _object(bases.get(str(artifact.get("uriBaseId")))).get("uri")
        wanted = [uri]
        if isinstance(under, str) and under and not uri.startswith(("/", "file:")):
            wanted.insert(0, under.rstrip("/") + "/" + uri)
        wanted.append("/" + uri)  # some lose the first slash of a whole path
        path = self._there(uri, wanted)
        return None if path is None else (path, _object(physical.get("region")))

    def _there(self, uri: str, wanted: Sequence[str]) -> str | None:
        """Not every tool escapes what it should: of the two ways to read a name, the one that a file has."""
        plainly = [path for one in wanted if (path := self._path(one, as_is=False)) is not None]
        literally = [path for one in wanted if (path := self._path(one, as_is=True)) is not None]
        path = next((one for one in (*plainly, *literally) if self.lines(one)), None)
        if path is None and plainly and not _ELSEWHERE.match(uri):
            path = plainly[0]
        return path

    def _path(self, uri: str, as_is: bool) -> str | None:
        """From the root.  None: it is not inside, or cannot be a path."""
        local = re.match(r"file:(?://(?:localhost)?(?=/))?", uri, re.IGNORECASE)
        path = uri[local.end() :] if local is not None else uri
        path = path if as_is else unquote(path, errors="surrogateescape")
        if path.startswith("/"):
            root = next((one for one in self.roots if path.startswith(one)), None)
            if root is None:
                return None
            path = path[len(root) :]
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or ".." in parts or "\0" in path:
            return None
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            return None
        return "/".join(parts)


def _told(tool: str, rule: str, kind: Kind, said: str) -> str:
    """What may be repeated of a message."""
    if kind == "secret":
        return f"This looks like a secret ({rule})"
    if quotes(tool, rule):
        return f"What the rule {rule} looks for is written here"
    return hushed(said) if kind in ("code", "config") else said  # before it is cut: half a key is one too


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: object) -> int:
    """A line's number, 0 where it is none."""
    if isinstance(value, str) and len(value) < 12 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(min(max(value, 0), 10_000_000))


def _rule(
    result: dict[str, Any], rules: Sequence[dict[str, Any]], named: Mapping[str, dict[str, Any]]
) -> tuple[str, dict[str, Any]]:
    """Its id and what the tool says of it."""
    told = _object(result.get("rule"))
    name = result.get("ruleId") or told.get("id")
    if isinstance(name, str) and name:
        return name, named.get(name) or named.get(name.rpartition("/")[0]) or {}  # ids may be hierarchical
    at = result.get("ruleIndex", told.get("index"))
    rule = rules[at] if isinstance(at, int) and 0 <= at < len(rules) else {}
    return str(rule.get("id") or "unnamed"), rule


def _level(result: dict[str, Any], rule: dict[str, Any]) -> str:
    level = result.get("level") or _object(rule.get("defaultConfiguration")).get("level")
    return level if isinstance(level, str) else "warning"


def _given(result: dict[str, Any], rule: dict[str, Any]) -> float | None:
    for owner in (rule, result):
        value = _object(owner.get("properties")).get("security-severity")
        try:
            number = float(value) if isinstance(value, str | int | float) and len(str(value)) < 20 else None
        except (ValueError, OverflowError):
            continue
        if number is not None and math.isfinite(number) and 0 < number <= 10:
            return number
    return None


def _message(result: dict[str, Any], rule: dict[str, Any]) -> str:
    message = _object(result.get("message"))
    strings = _object(_object(rule.get("messageStrings")).get(str(message.get("id"))))
    short, full = _object(rule.get("shortDescription")), _object(rule.get("fullDescription"))
    texts = (message.get("text"), strings.get("text"), message.get("markdown"), short.get("text"), full.get("text"))
    text = next((one for one in texts if isinstance(one, str) and one.strip()), "")[: 8 * LONGEST]
    for at, word in enumerate(_list(message.get("arguments"))[:20]):
        text = text.replace(f"{{{at}}}", str(word)[:LONGEST])
    return _LINK.sub(r"\1", text)


def write(report: Report, sha: str) -> dict[str, Any]:
    """The report as SARIF, one run a tool, to be uploaded for this commit.

    A scanner that gave no report and found nothing has no run: an empty one would say that all is mended."""
    by_tool: dict[str, list[Finding]] = {one.tool: [] for one in report.ran if one.fault is None}
    for one in report.findings:
        by_tool.setdefault(one.tool, []).append(one)
    ran = {one.tool: one for one in report.ran}
    runs = [_run(tool, ran.get(tool), found, report.new, sha) for tool, found in by_tool.items()]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}


def _run(tool: str, ran: Ran | None, found: Sequence[Finding], new: frozenset[str], sha: str) -> dict[str, Any]:
    rules: dict[str, Finding] = {}
    for one in sorted(found, key=lambda one: -one.score):
        rules.setdefault(one.rule, one)
    index = {rule: at for at, rule in enumerate(rules)}
    driver: dict[str, Any] = {"name": tool, "rules": [_described(one) for one in rules.values()]}
    if ran is not None and plain(ran.version, 100):
        driver["version"] = plain(ran.version, 100)
    results = [_result(one, index[one.rule], one.fingerprint in new) for one in found]
    if any(one.suppressed is not None for one in found):
        for result in results:
            result.setdefault("suppressions", [])  # told of none, or of all
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"slipway/{tool}/"},
        "invocations": [{"executionSuccessful": ran is None or ran.fault is None}],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"commit": sha or "unknown"},
    }


def _described(gravest: Finding) -> dict[str, Any]:
    said = gravest.message or gravest.rule
    rule: dict[str, Any] = {
        "id": gravest.rule,
        "shortDescription": {"text": f"{gravest.tool}: {gravest.rule}"},
        "fullDescription": {"text": said},
        "help": {"text": gravest.help or said},
        "defaultConfiguration": {"level": _LEVELS[gravest.severity]},
        "properties": {"security-severity": f"{gravest.score:.1f}", "tags": ["security", gravest.kind]},
    }
    return rule | {"helpUri": gravest.url} if gravest.url else rule


def _result(one: Finding, index: int, new: bool) -> dict[str, Any]:
    first = max(one.line, 1)  # code scanning wants a line, of a whole file too
    said = one.message or one.rule
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _LEVELS[one.severity],
        "message": {"text": f"{said} (in commit {one.commit}, taken out again)" if one.commit else said},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": quote(one.path, safe="/", errors="surrogateescape"),
                        "uriBaseId": "%SRCROOT%",
                    },
                    "region": {"startLine": first, "endLine": max(one.end_line, first)},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": one.fingerprint or "unknown"},
        "baselineState": "new" if new else "unchanged",
    }
    if one.suppressed is not None:
        where = "inSource" if one.suppressed.startswith(IN_SOURCE) else "external"
        why = one.suppressed or "no reason given"
        result["suppressions"] = [{"kind": where, "status": "accepted", "justification": why}]
    return result
