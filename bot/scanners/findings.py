"""What scanners saw, in one form.

Nothing here ever holds a secret's text: messages come without it, and a fingerprint is a one-way hash.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Literal, Self

Kind = Literal["secret", "code", "config", "dependency", "malware"]


class Severity(IntEnum):
    """GitHub's steps of `security-severity` (docs.github.com, SARIF support)."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def of(cls, score: float) -> Self:
        return cls(4 if score >= 9.0 else 3 if score >= 7.0 else 2 if score >= 4.0 else 1)

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that one scanner saw."""

    tool: str  # kingfisher
    rule: str  # its rule's id
    kind: Kind
    score: float  # security-severity, 0.1 to 10
    path: str  # from the root of the tree, with /
    line: int  # the first; 0: the whole file
    end_line: int
    message: str  # one line of plain text, at most 500 characters, without any secret
    fingerprint: str = ""  # 16 hexadecimal digits ":" how many of the same stand above it; see `bot.scanners.sarif`
    help: str = ""  # how to mend it, one line
    url: str = ""  # what its rule is about
    commit: str | None = None  # seen there, and not in the files of the head: added and removed again
    suppressed: str | None = None  # why it does not count: reason of a suppression, with who and until when

    @property
    def severity(self) -> Severity:
        return Severity.of(self.score)

    @property
    def grave(self) -> bool:
        """Nobody's own word is enough for it."""
        return self.kind in ("secret", "malware") or self.severity is Severity.CRITICAL

    @property
    def id(self) -> str:
        """What people call it by: `/ack 3f9a1c0b`."""
        return self.fingerprint.replace(":", "-") if not self.fingerprint.endswith(":0") else self.fingerprint[:-2]

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        return cls(**raw)


@dataclasses.dataclass(frozen=True, slots=True)
class Ran:
    """One scanner's turn.  `fault`: why there is no report of it; then it has found nothing, not that nothing is there.

    `needed` is false for a scanner that had no file to look at, or that is an extra: its absence is told, no more."""

    tool: str
    version: str = ""
    seconds: float = 0.0
    fault: str | None = None
    needed: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """A scan of one change.  Of `findings` those in `new` (fingerprints) are not in the merge base."""

    findings: tuple[Finding, ...] = ()
    new: frozenset[str] = frozenset()
    ran: tuple[Ran, ...] = ()
    asks: tuple[Finding, ...] = ()  # that the change itself asks to be ignored, without the right to

    def as_json(self) -> dict[str, Any]:
        """As it stands in the books."""
        return {
            "findings": [one.as_json() for one in self.findings],
            "new": sorted(self.new),
            "ran": [dataclasses.asdict(one) for one in self.ran],
            "asks": [one.as_json() for one in self.asks],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            findings=tuple(Finding.from_json(one) for one in raw["findings"]),
            new=frozenset(raw["new"]),
            ran=tuple(Ran(**one) for one in raw["ran"]),
            asks=tuple(Finding.from_json(one) for one in raw["asks"]),
        )

    @property
    def faults(self) -> Sequence[Ran]:
        """Scanners that were needed and gave no report."""
        return [one for one in self.ran if one.fault is not None and one.needed]

    def counted(self) -> list[Finding]:
        """New ones that nothing suppresses, the gravest first."""
        found = [one for one in self.findings if one.fingerprint in self.new and one.suppressed is None]
        return sorted(found, key=lambda one: (-one.score, one.path, one.line))
