"""What the required check says: every rule in one table, and the same for machines.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from bot.messages import Check, code, commands, inline, marker

GATE = "slipway/gate"
Conclusion = Literal["success", "failure", "action_required", "cancelled"]


class Objected(commands.Objected, Protocol):
    """What a rule has against it; `bot.policy` has the real ones, here and below.  Plain text."""

    @property
    def needs(self) -> Literal["change", "person", "time", "answer"]: ...


class Line(Protocol):
    """One rule."""

    @property
    def asks(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def objection(self) -> Objected | None: ...
    @property
    def lifted(self) -> bool: ...


class Verdict(Protocol):
    """All rules."""

    @property
    def lines(self) -> Sequence[Line]: ...
    @property
    def against(self) -> Sequence[Objected]: ...
    @property
    def conclusion(self) -> Conclusion | None: ...
    @property
    def title(self) -> str: ...


_SIGNS = {"change": "🔴", "person": "🟡", "time": "⏳", "answer": "⏳"}
_WHO = {"change": "another commit", "person": "a person", "time": "time", "answer": "an answer from GitHub"}


def opened() -> Check:
    """A new run, before anything is asked: an older success must not stand meanwhile."""
    return Check("in_progress", None, "Asking every rule", "The verdict follows in a moment.")


def moved(sha: str) -> Check:
    """The run of a commit that nothing has for its head any more."""
    words = f"Nothing has `{sha[:7]}` for its head any more, so nothing is to be decided about it."
    return Check("completed", "cancelled", f"{sha[:7]} is no head any more", words)


def unnamed(sha: str) -> Check:
    """A group of the merge queue that names no pull request we could ask about."""
    words = f"The group at `{sha[:7]}` does not say which pull requests it merges, so nothing can be asked about them."
    return Check("completed", "action_required", "The merge queue's group names no pull request", words)


def given_up(reason: str) -> Check:
    """Nobody will find it out any more by himself."""
    words = f"The verdict could not be found out: {inline(reason)}"
    return Check("completed", "action_required", "Slipway could not decide: re-run the check", words)


def told(pulls: Sequence[tuple[int, Verdict]], whole: Verdict, policy: str) -> Check:
    """The verdict.  `policy`: digest of what it was judged by."""
    many = len(pulls) > 1
    parts = [f"{f'#### #{number}' if many else ''}\n\n{_table(verdict)}".strip() for number, verdict in pulls]
    wanted = _next(whole.against)
    if wanted:
        parts.insert(0, f"**Next:** {code(wanted) if wanted.startswith('/') else inline(wanted, 600)}")
    parts.append(f"<sub>judged by policy {code(policy[:12])}</sub>")
    status: Literal["in_progress", "completed"] = "completed" if whole.conclusion else "in_progress"
    title = whole.title if not many else f"{len(pulls)} pull requests: {whole.title}"
    return Check(status, whole.conclusion, title, "\n\n".join(parts), twin(pulls, whole, policy))


def twin(pulls: Sequence[tuple[int, Verdict]], whole: Verdict, policy: str) -> str:
    """The same for machines."""
    rules = [
        {"pull": number, "rule": line.rule, "ok": line.objection is None or line.lifted} | _details(line)
        for number, verdict in pulls
        for line in verdict.lines
    ]
    first = whole.against[0].reason_code if whole.against else None
    values = {"schema": 1, "kind": "gate", "conclusion": whole.conclusion, "reason_code": first, "policy": policy}
    return marker(values | {"rules": rules, "next": _next(whole.against)})


def _details(line: Line) -> dict[str, object]:
    one = line.objection
    if one is None:
        return {}
    said = {"reason_code": one.reason_code, "actual": one.actual, "required": one.required, "needs": one.needs}
    return said | {"next": one.next, "lifted": line.lifted}


def _next(against: Sequence[Objected]) -> str | None:
    return next((one.next for one in against if one.next), None)


def _table(verdict: Verdict) -> str:
    rows = [_row(line) for line in verdict.lines]
    return "\n".join(["| | rule | now | required | what helps |", "| --- | --- | --- | --- | --- |", *rows])


def _row(line: Line) -> str:
    one, name = line.objection, inline(line.asks, 160)
    if one is None:
        return f"| 🟢 | {name} | | | |"
    sign = "⚪" if line.lifted else _SIGNS[one.needs]
    helps = "lifted by `/override`" if line.lifted else _WHO[one.needs]
    return f"| {sign} | {name} | {inline(one.actual, 200)} | {inline(one.required, 200)} | {helps} |"
