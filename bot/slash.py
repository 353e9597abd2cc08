"""What somebody asks for in a comment: `/verb args` or `/slipway verb args`, and nothing that only looks like it.

The first line that is not blank, from its first column, in printable ASCII: there Markdown has no code, quote, list or
HTML yet, so nothing quoted, pasted or hidden is ever a command.  Everything after that line is talk.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType

LONGEST = 512  # characters of the line
READ = 65_536  # characters of a comment: GitHub takes no more
PREFIX = "slipway"

# What each verb takes: flag name to whether it has a value.
_REASON = {"reason": True}
VERBS: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "help": {},
        "status": {},
        "logs": {},
        "preview": {},
        "redeploy": {},
        "teardown": {},
        "cancel": {},
        "keep": {},
        "plan": {},
        "budget": {},
        "promote": {**_REASON, "accept-schema": False, "confirm": False},
        "rollback": {**_REASON, "accept-schema": False},
        "revoke": _REASON,
        "approve": {},
        "ack": {},
        "ignore": {**_REASON, "until": True},
        "override": {**_REASON, "for": True},
        "hold": _REASON,
        "unhold": _REASON,
        "lock": {**_REASON, "for": True},
        "unlock": {**_REASON, "force": False},
        "freeze": {**_REASON, "for": True, "until": True},
        "unfreeze": _REASON,
    }
)

SHARED = frozenset({"approve"})  # without a word behind it, it is Prow's

# Commands of other bots that are a slip of the finger away from ours.
FOREIGN = frozenset({"block", "deploy", "fold", "review", "unblock", "undeploy"})

_NEWLINE = re.compile(r"\r\n|\n|\r")
_GAP = re.compile(r"[ \t]")
_PRINTABLE = re.compile(r"[ -~]*")
_PASTED = re.compile(r"(`+)[ ]?(/[^`]*)\1")
_VERB = re.compile(r"[a-z][a-z-]{1,19}")
_VALUE = r'"(?P<{0}quoted>[^"`]*)"|(?P<{0}word>[A-Za-z0-9][A-Za-z0-9._:/@+,=\[\]-]*)'
_TOKEN = re.compile(
    rf" +(?:--(?P<flag>[a-z][a-z-]{{1,19}})(?P<has>=(?:{_VALUE.format('flag_')}))?|{_VALUE.format('')})(?= |\Z)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """What was asked.  `flags`: those without a value have an empty one."""

    verb: str
    args: tuple[str, ...] = ()
    flags: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Hint:
    """Nearly a command.  It is never run; who may command is told these words: ours, but for the name of a flag."""

    words: str


def parse(body: str) -> Command | Hint | None:
    """The command in a comment.  None: the comment is none of ours.  Never raises, linear in the comment's length."""
    line = next((line for line in _NEWLINE.split(body[:READ]) if line.strip(" \t")), "").rstrip(" \t")
    pasted = _PASTED.fullmatch(line[:LONGEST])
    if pasted:
        bare = _meant(pasted[2])
        return Hint(f"Write it without the backticks: {bare}") if bare else None
    if not line.startswith("/"):
        return None
    word, rest = _split(line[1:])
    if word == PREFIX:
        word, rest = _split(rest.lstrip(" \t"))
        if word not in VERBS:
            return _unknown(word)
    elif word not in VERBS:
        near = _nearest(word)
        return Hint(f"Did you mean /{near}?") if near else None
    elif word in SHARED and not rest.strip(" \t"):
        return None
    if len(line) > LONGEST:
        return Hint(f"A command is one line of at most {LONGEST} characters.")
    if not _PRINTABLE.fullmatch(line):
        return Hint("A command is one line of plain ASCII: letters, digits and signs of an English keyboard.")
    return _command(word, rest)


def _split(line: str) -> tuple[str, str]:
    """The first word, and the rest with the space before it."""
    found = _GAP.search(line)
    return (line[: found.start()], line[found.start() :]) if found else (line, "")


def _command(verb: str, rest: str) -> Command | Hint:
    taken, args, flags, at = VERBS[verb], list[str](), dict[str, str](), 0
    while at < len(rest):
        found = _TOKEN.match(rest, at)
        if found is None:
            return Hint(f'After /{verb} come words, --flag=word or --flag="several words", with spaces between them.')
        at = found.end()
        flag = found["flag"]
        if flag is None:
            args.append(found["word"] if found["word"] is not None else found["quoted"])
            continue
        wrong = _wrong_flag(verb, flag, found["has"] is not None, taken, flags)
        if wrong is not None:
            return wrong
        flags[flag] = found["flag_word"] or found["flag_quoted"] or ""
    return Command(verb, tuple(args), MappingProxyType(flags))


def _wrong_flag(verb: str, flag: str, has: bool, taken: Mapping[str, bool], given: Mapping[str, str]) -> Hint | None:
    if flag not in taken:
        known = ", ".join(f"--{name}" for name in taken)
        return Hint(f"/{verb} takes {f'only {known}' if known else 'no flags'}, not --{flag}.")
    if flag in given:
        return Hint(f"--{flag} stands there twice: say it once.")
    if taken[flag] and not has:
        return Hint(f'--{flag} needs a value: --{flag}=word or --{flag}="several words".')
    if not taken[flag] and has:
        return Hint(f"--{flag} takes no value.")
    return None


def _unknown(word: str) -> Hint:
    near = _nearest(word)
    return Hint(f"Did you mean /{near}?" if near else "There is no such command; /help lists them.")


def _meant(line: str) -> str | None:
    """The command that a pasted line begins with, as far as it is ours."""
    word, rest = _split(line[1:])
    if word == PREFIX:
        word, _ = _split(rest.lstrip(" \t"))
    return f"/{word}" if word in VERBS else None


def _nearest(word: str) -> str | None:
    """The verb that somebody meant who wrote this; short ones are near to too much, so they get less leeway."""
    if len(word) > 24 or word.lower() in FOREIGN:
        return None
    near = [(_distance(word.lower(), verb), verb) for verb in VERBS]
    close = [(distance, verb) for distance, verb in near if distance <= (2 if len(verb) > 4 else 1)]
    return min(close)[1] if close else None


def _distance(one: str, other: str) -> int:
    """Letters to add, drop, change or swap with their neighbour to make one of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]
