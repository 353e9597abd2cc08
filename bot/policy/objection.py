"""What a rule answers, and the answers that several rules give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

from bot.policy.facts import Facts, Unknown

Needs = Literal["change", "person", "time", "answer"]


@dataclasses.dataclass(frozen=True, slots=True)
class Objection:
    """Why not.  `next` is what helps: a command alone when it begins with "/", else a sentence.

    `needs`: what can lift it: another commit, somebody, time, or an answer that did not come.  `short` is for a line
    that names several.  Words and names are plain text: whoever shows them escapes them."""

    rule: str
    reason_code: str
    words: str
    actual: str
    required: str
    next: str | None = None
    needs: Needs = "change"
    short: str = ""

    @property
    def brief(self) -> str:
        """In a few words, for a title."""
        return self.short or f"{self.rule}: {self.actual}"[:60]


Rule = Callable[[Facts], Objection | None]


def unknown(rule: str, reason_code: str, what: str, required: str, why: Unknown) -> Objection:
    """What nobody could find out denies."""
    words = f"I could not find out {what}: {why.why}"
    return Objection(
        rule, reason_code, words, "unknown", required, "Try again in a moment.", "answer", f"{rule}: unknown"
    )
