"""Names that look like a well-known one: a slip of the finger, a swapped separator, a letter like another."""

from __future__ import annotations

import functools
import re
from itertools import islice, pairwise
from pathlib import Path

from bot.scanners.dependencies.dependency import Ecosystem

NAMES = Path(__file__).with_name("names")
LISTS = {"pip": "pypi.txt", "npm": "npm.txt"}
MEANT = {"pip": 5000, "npm": 3000}  # the most used, that one may have meant; those after them are known to be honest
SHORT = 5  # letters: names below it differ by one letter from many honest ones
LONGEST = 80  # letters: longer ones than any well-known name
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
LOOKALIKES = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("5", "s"))
_BEFORE = re.compile(r"^(?:python[23]?|py|node|nodejs|js)[-_.]+(?=..)")
_AFTER = re.compile(r"(?<=..)[-_.]+(?:python[23]?|py|node|nodejs|js)$")
_SEPARATORS = re.compile(r"[-_.]+")


def near(name: str, ecosystem: Ecosystem) -> str | None:
    """The well-known name that this one may be taken for.  None: it is one itself, or like none."""
    known = _known(ecosystem)
    if name in known or not 2 < len(name) <= LONGEST:
        return None
    scope, _, bare = name.rpartition("/")
    if scope:  # who owns a scope owns every name in it: only the scope can be the slip
        return next((meant for one in _slips(scope[1:]) if (meant := f"@{one}/{bare}") in known), None)
    same = _skeletons(ecosystem).get(_skeleton(bare))
    if same is not None and same != name:
        return same
    found = [one for one in _slips(bare) if known.get(one, MEANT[ecosystem]) < MEANT[ecosystem]]
    return min(found, key=lambda one: known[one], default=None)


def _slips(name: str) -> list[str]:
    """What somebody may have meant who typed this.  A change of digits alone is another version of a thing."""
    found = set()
    for at in range(len(name) + 1):
        before, after = name[:at], name[at:]
        if after and not after[0].isdigit():
            found.add(before + after[1:])
        for letter in LETTERS:
            if after and not (letter.isdigit() and (after[0].isdigit() or len(after) == 1)):
                found.add(before + letter + after[1:])
            if not letter.isdigit():
                found.add(before + letter + after)
    letters = list(name)
    for at, (one, other) in enumerate(pairwise(letters)):
        found.add("".join((*letters[:at], other, one, *letters[at + 2 :])))
    return sorted(one for one in found if len(one) >= SHORT and one != name)


def _skeleton(name: str) -> str:
    """A name without what people mix up."""
    bare = _AFTER.sub("", _BEFORE.sub("", name))
    bare = _SEPARATORS.sub("", bare)
    for looks, like in LOOKALIKES:
        bare = bare.replace(looks, like)
    return bare


@functools.cache
def _known(ecosystem: Ecosystem) -> dict[str, int]:
    """The well-known names and their rank, the most used first."""
    text = (NAMES / LISTS[ecosystem]).read_text("utf-8")
    names = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: rank for rank, name in enumerate(names)}


@functools.cache
def _skeletons(ecosystem: Ecosystem) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in islice(_known(ecosystem), MEANT[ecosystem]):
        if not name.startswith("@") and len(bone := _skeleton(name)) >= SHORT:
            found.setdefault(bone, name)
    return found
