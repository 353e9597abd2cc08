"""The chain: each link covers its place, the link before it and what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bot.audit.checkpoint import Checkpoint

FIRST = "0" * 64  # what the first link follows


class Row(Protocol):
    """A line as the database holds it."""

    @property
    def seq(self) -> int: ...
    @property
    def prev(self) -> str: ...
    @property
    def payload(self) -> str: ...
    @property
    def digest(self) -> str: ...


class Line(NamedTuple):
    """A `Row` with nothing around it."""

    seq: int
    prev: str
    payload: str
    digest: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Where the books stop being what was written, and what shows it."""

    kind: str  # changed, missing, moved, cut, other_chain, key
    seq: int
    words: str


def link(seq: int, prev: str, payload: str) -> str:
    """The digest of one line: sha256 over place, former digest and canonical JSON, a line feed between them."""
    return hashlib.sha256(f"{seq}\n{prev}\n{payload}".encode()).hexdigest()


def verify(rows: Iterable[Row], checkpoints: Sequence[Checkpoint] = ()) -> Problem | None:
    """The first problem of a chain, read once from its first line on; None: it is whole.

    `checkpoints` come from the anchor, their signatures checked: without them a cut tail looks like a short chain."""
    marks = {mark.seq: mark for mark in checkpoints}
    if len(marks) != len({(mark.seq, mark.digest) for mark in checkpoints}):
        return Problem("other_chain", 0, "Two checkpoints of the anchor say different things about the same line.")
    expected, prev = 1, FIRST
    for row in rows:
        problem = _order(row, expected, prev) or _content(row, marks.get(row.seq))
        if problem is not None:
            return problem
        expected, prev = expected + 1, row.digest
    newest = max(marks, default=0)
    if newest >= expected:
        words = f"The books end with line {expected - 1}, but line {newest} was there when the anchor was written."
        return Problem("cut", expected, words)
    return None


def _order(row: Row, expected: int, prev: str) -> Problem | None:
    if row.seq > expected:
        return Problem("missing", expected, f"Line {expected} is missing; the next one there is line {row.seq}.")
    if row.seq < expected:
        return Problem("moved", row.seq, f"Line {row.seq} stands where line {expected} belongs.")
    if row.prev != prev:
        return Problem("moved", row.seq, f"Line {row.seq} does not follow the line before it.")
    return None


def _content(row: Row, mark: Checkpoint | None) -> Problem | None:
    if link(row.seq, row.prev, row.payload) != row.digest:
        return Problem("changed", row.seq, f"Line {row.seq} is not what was written: its digest does not fit.")
    if mark is not None and mark.digest != row.digest:
        words = f"Line {row.seq} is not the one that the anchor saw; the books were written again from there or before."
        return Problem("other_chain", row.seq, words)
    return None
