"""What the layers say of the scan itself, wherever a change goes: who looks, and who else is told.

How a scanner is started only the server's own policy says: it runs on the server's machine, boxed or not.  The others
name what is offered there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Scanner:
    """One that is asked for by its name.  With `command` or `rules` it is the server's own description of it.

    `wanted`: it looks here; a description alone may only be an offer."""

    name: str
    command: tuple[str, ...] = ()
    rules: str = ""  # a folder of rules for semgrep's engine
    files: tuple[str, ...] = ()
    needed: bool = True
    wanted: bool = True

    @property
    def described(self) -> bool:
        """Whether it says how it is started."""
        return bool(self.command or self.rules)


@dataclasses.dataclass(frozen=True, slots=True)
class Scanning:
    """`upload`: to GitHub's code scanning, too.  `scanners`: by name, beside those that always look."""

    upload: bool = False
    scanners: tuple[Scanner, ...] = ()


def joined(some: Iterable[Scanner], others: Iterable[Scanner]) -> tuple[Scanner, ...]:
    """All of both.  One that both name looks when one of them wants it, and is needed when one of them needs it."""
    found: dict[str, Scanner] = {}
    for one in (*some, *others):
        found[one.name] = _both(found[one.name], one) if one.name in found else one
    return tuple(sorted(found.values()))


def _both(one: Scanner, other: Scanner) -> Scanner:
    described = max(one, other, key=lambda each: (each.command, each.rules, each.files))
    return dataclasses.replace(described, needed=one.needed or other.needed, wanted=one.wanted or other.wanted)
