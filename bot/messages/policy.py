"""The words about a change of the policy: the check run `slipway/policy`.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from bot.messages import Check, code, inline, marker

CHECK = "slipway/policy"
PATH = ".slipway.yml"
SHOWN = 100  # differences, and decisions that would have been others
ANNOTATED = 50  # faults; GitHub takes so many at once


class Difference(Protocol):
    """One field that changes; `bot.policy` has the real ones, here and below.  Plain text."""

    @property
    def path(self) -> str: ...
    @property
    def way(self) -> Literal["tighter", "looser", "other"]: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...


class Fault(Protocol):
    """Something wrong in a file, lines and columns counted from 1."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def words(self) -> str: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """A decision that would have been another one.  Reason codes; none: allowed."""

    at: float  # Unix seconds
    number: int | None
    kind: str  # promote, gate
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Proposal:
    """What a pull request would make of the policy."""

    sha: str
    way: Literal["tighter", "looser", "other", "invalid", "none"]
    differences: Sequence[Difference] = ()
    faults: Sequence[Fault] = ()
    odd: str | None = None  # what stands there instead of a file
    agent: str | None = None  # who wrote it, when agents' rules hold for them
    looked_at: int = 0  # earlier decisions
    turned: Sequence[Past] = ()  # those of them that would have been others
    standing_fault: str | None = None  # why the policy that holds now can't be used as it stands


def check(seen: Proposal) -> Check:
    """It always ends, in success, failure or action_required."""
    annotations = tuple(_annotation(fault) for fault in seen.faults[:ANNOTATED])
    return Check("completed", _conclusion(seen), _title(seen), _summary(seen), _text(seen), annotations)


def reason_code(seen: Proposal) -> str | None:
    if seen.way == "invalid":
        return "policy_invalid"
    if seen.way == "looser":
        return "policy_loosened" if seen.agent else "ack_missing"
    return None


def _conclusion(seen: Proposal) -> Literal["success", "failure", "action_required"]:
    if seen.way == "invalid" or (seen.way == "looser" and seen.agent):
        return "failure"
    return "action_required" if seen.way == "looser" else "success"


def _title(seen: Proposal) -> str:
    if seen.way == "invalid":
        count = len(seen.faults)
        return f"Not a valid policy: {count} fault{'s' * (count != 1)}" if count else "Not a policy file"
    if seen.way == "none":
        return "The policy stays as it is"
    counts = [(way, sum(one.way == way for one in seen.differences)) for way in ("looser", "tighter", "other")]
    told = ", ".join(f"{count} {way}" for way, count in counts if count)
    if not told:
        return "Nothing changes in what holds"
    by = ", and an agent wrote it" if seen.way == "looser" and seen.agent else ""
    return f"{told}{by}"


def _summary(seen: Proposal) -> str:
    return "\n\n".join(part for part in (_twin(seen), _meaning(seen), _standing(seen), _next(seen)) if part)


def _twin(seen: Proposal) -> str:
    said: dict[str, Any] = {
        "schema": 1,
        "kind": "policy",
        "sha": seen.sha,
        "way": seen.way,
        "reason_code": reason_code(seen),
        "fields": [
            {"path": one.path, "way": one.way, "before": one.before[:200], "after": one.after[:200]}
            for one in seen.differences[:SHOWN]
        ],
        "faults": [
            {"line": one.line, "column": one.column, "path": one.path, "words": one.words} for one in seen.faults
        ],
        "agent": seen.agent,
        "decisions": {"looked_at": seen.looked_at, "turned": len(seen.turned)},
    }
    return marker(said)


def _meaning(seen: Proposal) -> str:
    judged = "This pull request itself is judged by the policy on the default branch, not by its own."
    match seen.way:
        case "invalid" if seen.odd:
            return f"{code(PATH)} at {code(seen.sha[:7])} is {inline(seen.odd)}. {judged}"
        case "invalid":
            wrong = f"{code(PATH)} at {code(seen.sha[:7])} is no valid policy."
            return f"{wrong} Merged, it would stop production. {judged}"
        case "looser" if seen.agent:
            who = f"**{inline(seen.agent, 60)}** wrote it: agents may tighten a policy, never loosen it."
            return f"It would allow what is denied today, and {who} {judged}"
        case "looser":
            return f"It would allow what is denied today. {judged}"
        case "none":
            return "It is what it is on the default branch already."
        case "tighter":
            return f"It would allow nothing that is denied today. {judged}"
    return f"Nothing that is denied today would be allowed. {judged}"


def _standing(seen: Proposal) -> str:
    if not seen.standing_fault:
        return ""
    return f"⚠️ Compared with what was valid last: {inline(seen.standing_fault, 600)}"


def _next(seen: Proposal) -> str:
    match seen.way:
        case "invalid":
            return "**Next:** correct it and push; `slipway policy check` says the same on your machine."
        case "looser" if seen.agent:
            return "**Next:** ask a person to propose it, or take the fields back that are looser."
        case "looser":
            return "**Next:** somebody with admin permission reads the fields that are looser and writes `/ack policy`."
    return ""


def _text(seen: Proposal) -> str | None:
    parts = [_faults(seen.faults), _fields(seen.differences), _replay(seen)]
    return "\n\n".join(part for part in parts if part) or None


def _faults(faults: Iterable[Fault]) -> str:
    rows = [f"| {one.line}:{one.column} | {code(one.path)} | {inline(one.words)} |" for one in faults]
    return "\n".join(["| line | field | what is wrong |", "| ---: | --- | --- |", *rows]) if rows else ""


def _fields(differences: Sequence[Difference]) -> str:
    order = ("looser", "other", "tighter")
    first = sorted(differences, key=lambda one: order.index(one.way))[:SHOWN]
    rows = [f"| {one.way} | {code(one.path)} | {inline(one.before, 200)} | {inline(one.after, 200)} |" for one in first]
    more = [f"| | and {len(differences) - SHOWN} more | | |"] if len(differences) > SHOWN else []
    return "\n".join(["| | field | now | then |", "| --- | --- | --- | --- |", *rows, *more]) if rows else ""


def _replay(seen: Proposal) -> str:
    if not seen.looked_at or seen.way in ("invalid", "none"):
        return ""
    last = f"the last {seen.looked_at} decisions" if seen.looked_at > 1 else "the last decision"
    if not seen.turned:
        return f"Under this policy {last} would have been the same."
    freed = sum(bool(one.before) for one in seen.turned)
    rows = [
        f"| {_pull(one)} | {one.kind} | {_verdict(one.before)} | {_verdict(one.after)} |" for one in seen.turned[:SHOWN]
    ]
    head = f"Of {last}, {freed} would have been allowed and {len(seen.turned) - freed} denied."
    return "\n".join([head, "", "| | what | was | would have been |", "| --- | --- | --- | --- |", *rows])


def _pull(one: Past) -> str:
    return f"#{one.number}" if one.number is not None else ""


def _verdict(codes: Sequence[str]) -> str:
    return ", ".join(code(one) for one in codes[:3]) or "allowed"


def _annotation(fault: Fault) -> Mapping[str, Any]:
    return {
        "path": PATH,
        "start_line": fault.line,
        "end_line": fault.line,
        "start_column": fault.column,
        "end_column": fault.column,
        "annotation_level": "failure",
        "title": f"{CHECK}: {fault.path}" if fault.path else CHECK,
        "message": fault.words,
    }
