"""What is allowed to pass: comments in the code, and `.slipway/ignore.toml` of the base branch.

    connection.execute(query)  # slipway: ignore[S608] until=2027-01-31 the table's name comes from a fixed list

A comment names the rule and says why; it speaks of its own line or, when it stands alone, of the next.  One that a
change brings itself counts only where its author is trusted; what other tools' comments say never does by itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bot.scanners.findings import Finding
from bot.scanners.sarif import IN_SOURCE, Lines, bare, hushed, plain

LARGEST = 65_536  # bytes of the file
MANY = 500  # entries of it
_REASON = 300  # characters that are kept

_OURS = re.compile(r"(?P<open>\{#|#|//|/\*|<!--|--)\s{0,8}slipway:\s{0,8}ignore\b(?P<rest>[^\r\n]*)")
_RULES = re.compile(r"\s*\[([^\]\[]*)\]")
_UNTIL = re.compile(r"(?:^|\s)until\s?=\s?(\S*)")
_CLOSE = {"/*": "*/", "<!--": "-->", "{#": "#}"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAMED = re.compile(r"\b(?:[A-Za-z]{1,10}[0-9]+|[a-z]+(?:[-_/.][a-z0-9]+)+)\b")  # words that may be a rule's id
_KEYS = frozenset({"rule", "path", "until", "by", "reason"})

_SECRETS = frozenset({"kingfisher", "gitleaks", "betterleaks", "trufflehog", "detect-secrets"})
_NJS = frozenset({"semgrep", "njsscan", "opengrep"})
_NATIVE: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (  # comments of others, and whose they are
    (re.compile(r"#\s*(?:ruff:\s*)?noqa\b", re.I), frozenset({"ruff"})),
    (re.compile(r"#\s*nosec\b", re.I), frozenset({"bandit", "ruff"})),
    (re.compile(r"\bnosem(?:grep)?\b|\bnjsscan-ignore\b|\bnoopengrep\b"), _NJS),
    (re.compile(r"\b(?:gitleaks|betterleaks):allow\b|\b(?:kingfisher|trufflehog):ignore\b"), _SECRETS),
    (re.compile(r"\bpragma:\s*allowlist\b"), _SECRETS),
    (re.compile(r"\bhadolint\s+(?:global\s+)?ignore="), frozenset({"hadolint"})),
    (re.compile(r"\bzizmor:\s*ignore\["), frozenset({"zizmor"})),
    (re.compile(r"\bcheckov:skip="), frozenset({"checkov"})),
    (re.compile(r"\b(?:trivy|tfsec):ignore"), frozenset({"trivy"})),
    (re.compile(r"\beslint-disable\b"), frozenset({"eslint"})),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ignore:
    """One entry of `.slipway/ignore.toml`.  `path`: a pattern, in which * stays inside a folder and ** does not."""

    rule: str
    path: str
    until: dt.date | None
    reason: str
    by: str = ""

    def covers(self, finding: Finding) -> bool:
        return _names(self.rule, finding) and fits(self.path, finding.path)


@dataclasses.dataclass(frozen=True, slots=True)
class Inline:
    """One comment in the code.  `fault`: why it does not count, whoever wrote it."""

    line: int  # where it stands, from 1
    covers: int  # the line that it speaks of
    rules: tuple[str, ...]
    until: dt.date | None
    reason: str
    fault: str | None = None


def parse(text: str) -> tuple[list[Ignore], list[str]]:
    """The entries of `.slipway/ignore.toml`, and in words what is wrong with it.  An entry with a fault is none."""
    if len(text) > LARGEST:
        return [], [f"it has {len(text):,} characters; {LARGEST:,} are read"]
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return [], [f"it is no TOML: {plain(str(error), 200)}"]
    faults = [f"{plain(key, 50)} is unknown: there are only [[ignore]] tables" for key in raw if key != "ignore"]
    entries = raw.get("ignore", [])
    if not isinstance(entries, list) or len(entries) > MANY:
        return [], [*faults, f"ignore is a list of at most {MANY} tables: write [[ignore]]"]
    found: list[Ignore] = []
    for number, entry in enumerate(entries, 1):
        wrong = list(_faults(entry))
        faults += [f"entry {number}: {words}" for words in wrong]
        if not wrong:
            reason, by = plain(entry["reason"], _REASON), plain(entry.get("by", ""), 100)
            found.append(Ignore(entry["rule"].strip(), entry["path"], _day(entry.get("until")), reason, by))
    return found, faults


def _faults(entry: object) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield "it is no table: write [[ignore]]"
        return
    for key in sorted(entry.keys() - _KEYS):
        yield f"{plain(key, 50)} is unknown; there are rule, path, until, by and reason"
    for key in ("rule", "path", "reason"):
        if not isinstance(entry.get(key), str) or not plain(entry[key], 50):
            yield f"{key} is missing"
    if not isinstance(entry.get("by", ""), str):
        yield "by is a name"
    if "until" in entry and _day(entry["until"]) is None:
        yield "until is a day, like 2027-01-31"
    yield from _place_faults(entry.get("rule"), entry.get("path"))


def _place_faults(rule: object, path: object) -> Iterator[str]:
    if isinstance(rule, str) and rule and not _one_rule(rule.strip()):
        yield f"{plain(rule, 50)} is not the name of one rule"
    if isinstance(path, str) and path:
        yield from _path_faults(path)


def _path_faults(path: str) -> Iterator[str]:
    said = plain(path, 80)
    if path.startswith(("/", "./")) or ".." in path.split("/"):
        yield f"{said}: a path is written from the root of the repository, like src/app.py"
    if path.endswith("/"):
        yield f"{said}: for all files of a folder write {said}**"
    if any("**" in part and part != "**" for part in path.split("/")):
        yield f"{said}: ** stands alone between slashes, like src/**/*.py"
    if len(path) > 300:
        yield f"{said}: at most 300 characters"


def _one_rule(rule: str) -> bool:
    return bool(rule) and len(rule) <= 200 and not re.search(r"[*?\s,]", rule)


def _day(value: object) -> dt.date | None:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) and _DATE.fullmatch(value) else None
    except ValueError:  # the 30th of February
        return None


@functools.lru_cache(maxsize=1024)
def _steps(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    """One for each part of a path; None stands for any number of folders."""
    parts = pattern.split("/")
    parts += ["*"] if parts[-1] == "**" else []
    return tuple(None if part == "**" else _part(part) for part in parts)


def _part(part: str) -> re.Pattern[str]:
    """A star takes as little as it can and gives nothing back, so no name takes long; the last one takes the rest."""
    first, *others = (re.escape(piece).replace(r"\?", ".") for piece in re.split(r"\*+", part))
    inner = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    return re.compile(f"{first}{inner}{f'.*{others[-1]}' if others else ''}", re.DOTALL)


def fits(pattern: str, path: str) -> bool:
    """Whether a path is one of a pattern's: a star stays inside a folder, two don't."""
    steps = _steps(pattern)
    at = _further(steps, {0})
    for name in path.split("/"):
        stay = {one for one in at if one < len(steps) and steps[one] is None}
        taken = {one + 1 for one in at - stay if one < len(steps) and (step := steps[one]) and step.fullmatch(name)}
        at = _further(steps, stay | taken)
    return len(steps) in at


def _further(steps: Sequence[re.Pattern[str] | None], at: set[int]) -> set[int]:
    """With the places that are reached when "any number of folders" is none."""
    for place in range(len(steps)):
        if place in at and steps[place] is None:
            at.add(place + 1)
    return at


def _names(rule: str, finding: Finding) -> bool:
    return rule.lower() in (finding.rule.lower(), f"{finding.tool}/{finding.rule}".lower())


def inline(lines: Sequence[str]) -> list[Inline]:
    """The comments that ask to ignore something, from above."""
    found: list[Inline] = []
    alone: list[int] = []  # lines with nothing but such a comment: several may stand above one another
    for number, line in enumerate(lines, 1):
        match = _OURS.search(line) if "slipway:" in line else None
        if match is None:
            continue
        words, close, after = match["rest"], _CLOSE.get(match["open"], ""), ""
        if close:
            words, _, after = words.partition(close)
        if not line[: match.start()].strip(" \t{") and not after.strip(" \t\r}"):  # {/* so in JSX */}
            alone.append(number)
        found.append(_asked(number, words))
    standing = set(alone)
    return [dataclasses.replace(one, covers=_next(one.line, standing)) for one in found]


def _next(line: int, standing: set[int]) -> int:
    while line in standing:
        line += 1
    return line


def _asked(number: int, words: str) -> Inline:
    words = words[:1000]
    named = _RULES.match(words)
    rules = tuple(part.strip() for part in named[1].split(",")) if named else ()
    rest = words[named.end() :] if named else words
    dated = _UNTIL.search(rest)
    until = _day(dated[1]) if dated else None
    reason = plain(hushed(_UNTIL.sub(" ", rest).strip(" \t:;-")), _REASON)
    fault: str | None = None
    if not rules or not all(_one_rule(rule) for rule in rules):
        fault = "it names no rule: write ignore[RULE]"
    elif dated and until is None:
        fault = "its until is no day: write until=YYYY-MM-DD"
    elif not any(letter.isalpha() for letter in reason):
        fault = "it gives no reason"
    return Inline(number, number, rules, until, reason, fault)


def applied(
    findings: Iterable[Finding],
    lines: Lines,
    base_lines: Lines,
    ignores: Sequence[Ignore],
    today: dt.date,
    *,
    trusted: bool,
) -> tuple[list[Finding], list[Finding]]:
    """The findings, those that may pass with the reason why; and of the others those that ask to without the right.

    `trusted`: a comment that the change itself brings counts.  Otherwise it must stand in the base's version of the
    file, beside the same code; a copy of it is new."""
    files = functools.cache(lambda path: _File(lines(path), base_lines(path)))
    told: list[Finding] = []
    asks: list[Finding] = []
    for one in findings:
        if one.suppressed is not None:
            told.append(one)
            continue
        # What only a former commit has, no comment in the head's file speaks of.
        ours, asked = (None, False) if one.commit is not None else files(one.path).excuse(one, today, trusted)
        listed, over = _listed(one, ignores, today)
        why = ours or listed
        told.append(dataclasses.replace(one, suppressed=why))
        if why is None and (asked or over):
            asks.append(one)
    return told, asks


def _listed(one: Finding, ignores: Sequence[Ignore], today: dt.date) -> tuple[str | None, bool]:
    """Why the list lets it pass, and whether it did so until a day that is over."""
    over = False
    for entry in ignores:
        if not entry.covers(one):
            continue
        if not entry.reason or (entry.until is not None and entry.until < today):
            over = True
            continue
        said = [f"by {entry.by}"] if entry.by else []
        said += [f"until {entry.until}"] if entry.until else []
        told = f" ({', '.join(said)})" if said else ""
        return f".slipway/ignore.toml: {entry.reason}{told}", over
    return None, over


class _File:
    """The comments of one file, and those that its base has too."""

    def __init__(self, lines: Sequence[str], base: Sequence[str]) -> None:
        self._lines = lines
        stood = Counter(_key(base, one.line, one.covers) for one in inline(base))
        self._here = [(one, _taken(stood, _key(lines, one.line, one.covers))) for one in inline(lines)]
        native = Counter(_key(base, line, covers) for line, covers in _foreign(base))
        # Of each line with a comment of another tool, whether it stood there.
        self._foreign = {line: _taken(native, _key(lines, line, covers)) for line, covers in _foreign(lines)}

    def excuse(self, one: Finding, today: dt.date, trusted: bool) -> tuple[str | None, bool]:
        """Why it may pass, and whether it asks to."""
        ours = [(comment, stood) for comment, stood in self._here if _about(comment, one)]
        for comment, stood in ours:
            if (trusted or stood) and _holds(comment, today):
                until = f" (until {comment.until})" if comment.until else ""
                return f"{IN_SOURCE}{comment.reason}{until}", False
        foreign = [line for line in (one.line, one.line - 1) if line in self._foreign]
        foreign = [line for line in foreign if _speaks(self._lines[line - 1], one, above=line < one.line)]
        if any(self._foreign[line] for line in foreign):
            return f"{IN_SOURCE}a comment for {plain(one.tool, 50)} that stood there before", False
        return None, bool(ours or foreign)


def _holds(comment: Inline, today: dt.date) -> bool:
    return comment.fault is None and (comment.until is None or comment.until >= today)


def _about(comment: Inline, one: Finding) -> bool:
    return one.line in (comment.covers, comment.line) and any(_names(rule, one) for rule in comment.rules)


def _key(lines: Sequence[str], line: int, covers: int) -> tuple[str, str]:
    return bare(lines, line), bare(lines, covers)


def _taken(stood: Counter[tuple[str, str]], key: tuple[str, str]) -> bool:
    """Each one of the base's excuses one of the head's."""
    stood[key] -= 1
    return stood[key] >= 0


def _foreign(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The lines with a comment of another tool, and the line that each speaks of."""
    for at, line in enumerate(lines, 1):
        match = next((match for pattern, _tools in _NATIVE if (match := pattern.search(line))), None)
        if match is not None:
            yield at, at + 1 if _alone(line, match) else at


def _alone(line: str, match: re.Match[str]) -> bool:
    return not line[: match.start()].strip(" \t{#/*<!-")


def _speaks(line: str, one: Finding, above: bool) -> bool:
    """Whether a comment of another tool in this line is about this finding, in it or in the line below."""
    for pattern, tools in _NATIVE:
        match = pattern.search(line) if one.tool in tools else None
        if match is None or (above and not _alone(line, match)):
            continue
        named = [word.lower() for word in _NAMED.findall(line[match.end() :])]
        named += [f"s{word[1:]}" for word in named if word[0] == "b"]  # ruff's names of bandit's rules
        rule = one.rule.lower()
        if not named or any(rule.startswith(word) or rule.endswith(word) for word in named):
            return True
    return False
