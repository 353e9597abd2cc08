"""Facts as JSON and back, so that a decision can be explained later, and made again under another policy.

Written over the fields and types of whatever dataclass comes: JSON has no tuples, sets or tags, so dataclasses carry
their name and mappings become lists of pairs.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from bot.policy.facts import Facts
from bot.policy.objection import Rule
from bot.policy.rules import GATE, RULES, judge
from bot.policy.terms import OVERRIDABLE, Effective
from bot.policy.verdict import Line, weigh

T = TypeVar("T")
_KIND = "$"  # of a dataclass: its name
_BY_KIND: Mapping[str, Sequence[Rule]] = {"promote": RULES, "gate": GATE}

# A rule that passed has only its function's name; an objection names what people know it by.
NAMES: Mapping[str, str] = {
    "not_author": "author",
    "ready": "draft",
    "own_branch": "fork",
    "head_still": "head",
    "unfrozen": "freeze",
    "open_now": "window",
    "unlocked": "lock",
    "unheld": "hold",
    "approved": "approval",
    "undisputed": "changes",
    "earlier": "promote_from",
    "scanned": "scan",
    "decided_elsewhere": "extra_check",
    "soaked": "soak",
    "confirmed": "confirm",
    "previewed": "preview",
    "policy_known": "policy",
    "policy_kept": "policy",
}


class Unreadable(ValueError):
    """What was recorded does not fit today's types."""


# ---- values


def as_json(value: Any) -> Any:
    """A value of these types: dataclasses, enums, tuples, sets, mappings with text for names, and what JSON has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: as_json(getattr(value, field.name)) for field in _fields(type(value))}
        return {_KIND: type(value).__name__, **fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return [[as_json(name), as_json(value[name])] for name in sorted(value)]
    if isinstance(value, frozenset | set):
        return sorted((as_json(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    return value


def from_json(kind: Any, raw: Any) -> Any:
    """The value of this type that `as_json` made it of.  A field that was not recorded has its default.

    Raises Unreadable."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _one_of(inner, raw)
    if origin is typing.Literal:
        return _checked(raw, raw in inner, kind)
    if isinstance(origin, type):
        return _several(origin, inner, _checked(raw, isinstance(raw, list), kind))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, raw)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum(kind, raw)
    return _plain(kind, raw)


def _plain(kind: Any, raw: Any) -> Any:
    if kind is float:
        return _checked(raw, isinstance(raw, int | float) and not isinstance(raw, bool), kind)
    return _checked(raw, type(raw) is kind, kind)


def _checked(raw: T, fits: bool, kind: Any) -> T:
    if not fits:
        raise Unreadable(f"{str(raw)[:60]!r} is no {getattr(kind, '__name__', kind)}")
    return raw


def _one_of(kinds: Sequence[Any], raw: Any) -> Any:
    for kind in kinds:
        try:
            return from_json(kind, raw)
        except Unreadable:
            continue
    raise Unreadable(f"{str(raw)[:60]!r} is none of {len(kinds)} types")


def _dataclass(kind: type, raw: Any) -> Any:
    _checked(raw, isinstance(raw, dict) and raw.get(_KIND) == kind.__name__, kind)
    hints = _hints(kind)
    given = {field.name: from_json(hints[field.name], raw[field.name]) for field in _fields(kind) if field.name in raw}
    try:
        return kind(**given)
    except TypeError as error:  # a field without a default that was not recorded
        raise Unreadable(str(error)) from error


def _enum(kind: type[enum.Enum], raw: Any) -> enum.Enum:
    _checked(raw, not isinstance(raw, bool | float), kind)
    try:
        return kind(raw)
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _several(origin: type, inner: Sequence[Any], raw: list[Any]) -> Any:
    if origin is frozenset:
        return frozenset(from_json(inner[0], item) for item in raw)
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(from_json(inner[0], item) for item in raw)
        _checked(raw, len(raw) == len(inner), "pair")
        return tuple(from_json(one, item) for one, item in zip(inner, raw, strict=True))
    _checked(raw, all(isinstance(pair, list) and len(pair) == 2 for pair in raw), "mapping")
    return MappingProxyType({from_json(inner[0], name): from_json(inner[1], item) for name, item in raw})


@functools.cache
def _fields(kind: type) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(kind) if field.init)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


# ---- decisions


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One rule of a verdict.  `layers`: who decided what it requires; none: the defaults."""

    rule: str
    allowed: bool
    reason_code: str | None = None
    words: str | None = None
    actual: str | None = None
    required: str | None = None
    layers: tuple[str, ...] = ()


def table(facts: Facts, rules: Sequence[Rule]) -> tuple[Row, ...]:
    """What every rule says of these facts, in their order."""
    return tuple(_row(facts, line) for line in weigh(facts, rules).lines)


def _row(facts: Facts, line: Line) -> Row:
    found = line.objection
    name = found.rule if found is not None else NAMES.get(line.rule, line.rule)
    layers = decided(facts.policy, facts.environment, name)
    if found is None:
        return Row(name, allowed=True, layers=layers)
    code = None if line.lifted else found.reason_code
    return Row(name, line.lifted, code, found.words, found.actual, found.required, layers)


def decided(policy: Effective, environment: str, rule: str) -> tuple[str, ...]:
    """The layers that decided the fields which a rule stands on."""
    roots = {"permission": ("deployers",), "author": ("author_may_promote",), "confirm": ("confirm",)}
    found: list[str] = []
    for root in roots.get(rule, OVERRIDABLE.get(rule, ())):
        whole = root if root.startswith(("agents.", "budgets.")) else f"environments.{environment}.{root}"
        for path, layers in policy.decided.items():
            if path == whole or path.startswith(f"{whole}."):
                found += [layer for layer in layers if layer not in found]
    return tuple(found)


def recorded(facts: Facts) -> dict[str, Any]:
    """Facts to keep: all but the policy, whose digest is kept beside them."""
    kept: dict[str, Any] = as_json(facts)
    del kept["policy"]
    return kept


class Decided(typing.Protocol):
    """A decision as it was kept."""

    @property
    def kind(self) -> str: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    @property
    def codes(self) -> list[str]: ...


D = TypeVar("D", bound=Decided)


@dataclasses.dataclass(frozen=True, slots=True)
class Replayed(typing.Generic[D]):
    """A decision and its reason codes, as they were and as they would have been; none: allowed."""

    decision: D
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def turned(self) -> bool:
        """What was allowed would not have been, or the other way round."""
        return bool(self.before) != bool(self.after)


def replay(decisions: Sequence[D], effective: Effective) -> list[Replayed[D]]:
    """What these decisions would have been under another policy.  One that today's rules can't read is left out."""
    found: list[Replayed[D]] = []
    for decision in decisions:
        rules = _BY_KIND.get(decision.kind)
        if rules is None:
            continue
        try:
            facts = from_json(Facts, decision.facts)
        except Unreadable:
            continue
        after = judge(dataclasses.replace(facts, policy=effective), rules)
        found.append(Replayed(decision, tuple(decision.codes), tuple(dict.fromkeys(one.reason_code for one in after))))
    return found
