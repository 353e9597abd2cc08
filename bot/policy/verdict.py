"""What all rules say together: the table of them, and how a required check ends.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from bot.policy.facts import Facts
from bot.policy.objection import Objection, Rule
from bot.policy.rules import GATE, lifted

Conclusion = Literal["success", "failure", "action_required", "cancelled"]
TITLE = 120  # characters


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One rule: what it asks, and what speaks against it."""

    rule: str
    asks: str  # in words
    objection: Objection | None
    lifted: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """All lines, and the conclusion; None: it has to be asked again."""

    lines: tuple[Line, ...]
    conclusion: Conclusion | None

    @property
    def against(self) -> tuple[Objection, ...]:
        return tuple(line.objection for line in self.lines if line.objection is not None and not line.lifted)

    @property
    def title(self) -> str:
        """One line with counts; the nearest reasons first."""
        if not self.against:
            return f"All {len(self.lines)} rules are met"
        how = "failed" if self.conclusion == "failure" else "pending"
        counted = [one for one in self.against if (one.needs == "change") == (how == "failed")] or list(self.against)
        named = ", ".join(one.brief for one in counted)
        return f"{len(counted)} of {len(self.lines)} rules {how}: {named}"[:TITLE]


def weigh(facts: Facts, rules: Sequence[Rule] = GATE, *, waited: bool = False) -> Verdict:
    """Ask every rule.  `waited`: what time or an answer should have brought has not come, a person has to look."""
    lines = []
    for rule in rules:
        found = rule(facts)
        gone = found is not None and lifted(facts, found)
        lines.append(Line(rule.__name__, _asks(rule), found, gone))
    against = [line.objection for line in lines if line.objection is not None and not line.lifted]
    return Verdict(tuple(lines), _conclusion(against, waited))


def _asks(rule: Rule) -> str:
    """The first line of a rule's docstring says what is so when it has nothing against it."""
    return (rule.__doc__ or rule.__name__).partition("\n")[0]


def _conclusion(against: Sequence[Objection], waited: bool) -> Conclusion | None:
    needs = {one.needs for one in against}
    if "change" in needs:
        return "failure"
    if needs & {"time", "answer"} and not waited:
        return None
    return "action_required" if needs else "success"


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Several pull requests with one head, or in one group: all of them have to pass."""
    ends = {one.conclusion for one in verdicts}
    order: tuple[Conclusion | None, ...] = ("failure", None, "action_required", "success")
    return Verdict(tuple(line for one in verdicts for line in one.lines), next(one for one in order if one in ends))
