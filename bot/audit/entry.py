"""What one entry of the books says, and its canonical form: the exact characters that the chain hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bot.telemetry import redact

LONGEST = 200  # characters of any text: the books hold facts, not what somebody wrote
_DEEPEST = 6


class Who(Protocol):
    """Somebody who acts, as GitHub's numeric id; a login changes hands."""

    @property
    def id(self) -> int: ...
    @property
    def login(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def how(self) -> str: ...
    @property
    def via_app(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """A `Who` of its own.  `how` "delivery": the sender that a delivery names."""

    id: int
    login: str
    kind: Literal["person", "bot"]
    how: Literal["comment", "check", "api", "cli", "clock", "delivery"]
    via_app: int | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rule of a verdict, passed or not; a verdict names every rule that was asked."""

    rule: str
    allowed: bool
    reason_code: str | None = None
    actual: str | None = None
    required: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect or decision.  Mappings hold text, whole numbers, booleans, None, and lists or mappings of these.

    `what` is a word of docs/audit.md ("preview.live").  `at` is in Unix seconds, `money` in millionths by name.
    """

    what: str
    at: float
    project_id: int | None = None
    number: int | None = None
    environment: str | None = None
    actor: Who | None = None  # None: the service itself, because of `delivery`
    delivery: str | None = None  # guid
    comment_id: int | None = None
    comment_hash: str | None = None  # sha256 of the body
    shas: Mapping[str, str] = field(default_factory=dict)  # "head" -> commit, "tree" -> tree
    artifact: str | None = None  # digest
    policy_digest: str | None = None
    verdict: Sequence[Ruling] = ()
    money: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def canonical(entry: Entry) -> str:
    """JSON with sorted keys, no blanks, ASCII only, times as whole microseconds, nothing that is empty.

    Text is redacted and cut to `LONGEST`.  Raises ValueError for what has no single form (a float, a deep value)."""
    shown = {
        "actor": _actor(entry.actor) if entry.actor is not None else None,
        "after": entry.after,
        "artifact": entry.artifact,
        "at": round(entry.at * 1_000_000),
        "before": entry.before,
        "comment": entry.comment_id,
        "comment_hash": entry.comment_hash,
        "delivery": entry.delivery,
        "environment": entry.environment,
        "money": entry.money,
        "number": entry.number,
        "policy": entry.policy_digest,
        "project": entry.project_id,
        "shas": entry.shas,
        "verdict": [_ruling(one) for one in entry.verdict],
        "what": entry.what,
    }
    kept = {name: value for name, value in shown.items() if value not in (None, {}, [])}
    return json.dumps(_plain(kept, _DEEPEST), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _actor(who: Who) -> dict[str, Any]:
    shown = {"how": who.how, "id": who.id, "kind": who.kind, "login": who.login}
    return shown if who.via_app is None else {**shown, "via_app": who.via_app}


def _ruling(one: Ruling) -> dict[str, Any]:
    told = {"actual": one.actual, "reason_code": one.reason_code, "required": one.required}
    return {"allowed": one.allowed, "rule": one.rule, **{key: text for key, text in told.items() if text is not None}}


def _plain(value: Any, deepest: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _short(value)
    if deepest == 0:
        raise ValueError("the books hold flat facts; this is nested too deeply")
    if isinstance(value, Mapping):
        return {_short(str(key)): _plain(one, deepest - 1) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(one, deepest - 1) for one in value]
    raise ValueError(f"the books hold text and whole numbers, not {type(value).__name__}")


def _short(text: str) -> str:
    shown = redact(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
