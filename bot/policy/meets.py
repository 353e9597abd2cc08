"""How two layers that both speak of a field are joined: what comes out allows nothing that one of them denies.

Each meet is associative, commutative and idempotent, but for NEAREST: that is for fields that describe and forbid
nothing.  None is what no layer limits, so anything is tighter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from bot.policy import scanning, windows
from bot.policy.kinds import ROLES
from bot.policy.terms import Circles, Limit, OnLimit

WRITERS = "role:write"

Both = Callable[[Any, Any], Any]


def _as_said(value: Any, _owner: object) -> Any:
    return value


# Items of lists that have a form of their own in the terms make it with `term`.
def _each(value: Iterable[Any], _owner: object) -> frozenset[Any]:
    return frozenset(item.term() if hasattr(item, "term") else item for item in value)


@dataclasses.dataclass(frozen=True, slots=True)
class Meet:
    """`both` joins two values as the terms hold them; `lift` makes one of what a layer says, `owner` being the part of
    the policy that it stands in.  `words` complete "with two layers, ..."."""

    name: str
    words: str
    both: Both
    lift: Callable[[Any, Any], Any] = _as_said
    ordered: bool = True  # one of two different values can be tighter

    def __call__(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return one if other is None else other
        return self.both(one, other)


def stricter(*values: str) -> Meet:
    """For a choice of words, the laxest first."""
    return Meet("stricter", f"the stricter one: {' < '.join(values)}", lambda a, b: max(a, b, key=values.index))


def implied(circle: frozenset[str]) -> frozenset[str]:
    """The set without those whom another of its members covers: who may be admin may write."""
    roles = [name for name in circle if name.startswith("role:")]
    least = min(roles, key=_rank, default="")
    return frozenset(name for name in circle if name == least or not name.startswith("role:"))


def _rank(role: str) -> int:
    return ROLES.index(role.removeprefix("role:"))


def within(one: frozenset[str], other: frozenset[str]) -> bool:
    """Is everybody of one set surely in the other?  Whoever a policy names has to have write permission, too."""
    return WRITERS in other or all(
        name in other
        or (name.startswith("role:") and any(_rank(name) >= _rank(role) for role in other if role.startswith("role:")))
        for name in one
    )


def circles(found: Iterable[frozenset[str]]) -> Circles:
    """Somebody must be in every set: those that say no more than another one are left out."""
    sets = {implied(circle) for circle in found}
    kept = [one for one in sets if not any(other != one and within(other, one) for other in sets)]
    return tuple(sorted(kept, key=sorted))


def _in_every(one: Circles, other: Circles) -> Circles:
    return circles((*one, *other))


def _by_rule(one: Mapping[str, Circles], other: Mapping[str, Circles]) -> Mapping[str, Circles]:
    found = {rule: _in_every(one.get(rule, ()), other.get(rule, ())) for rule in {*one, *other}}
    return MappingProxyType(found)


def _roles(value: Mapping[str, tuple[str, ...]], _owner: object) -> Mapping[str, Circles]:
    return MappingProxyType({rule: circles([frozenset(names)]) for rule, names in value.items()})


ON_LIMIT: tuple[OnLimit, ...] = ("deny_new", "sleep_previews")


def _tighter_limit(one: Limit, other: Limit) -> Limit:
    return dataclasses.replace(
        one,
        limit=min(one.limit, other.limit),
        alert=tuple(sorted({*one.alert, *other.alert})),
        on_limit=max(one.on_limit, other.on_limit, key=ON_LIMIT.index),
    )


def _limits(one: Iterable[Limit], other: Iterable[Limit]) -> tuple[Limit, ...]:
    found: dict[tuple[str, ...], Limit] = {}
    for limit in (*one, *other):
        key = (limit.scope, limit.period, limit.currency, limit.timezone)
        found[key] = _tighter_limit(found[key], limit) if key in found else limit
    return tuple(sorted(found.values()))


def _lift_limits(value: Iterable[Any], owner: Any) -> tuple[Limit, ...]:
    return _limits((), (item.term(owner) for item in value))


MOST = Meet("most", "the larger one", max)
LEAST = Meet("least", "the smaller one", min)
EITHER = Meet("either", "`true` if one says so", lambda a, b: a or b)
EVERY = Meet("every", "`true` only if all say so", lambda a, b: a and b)
UNION = Meet("union", "all of both lists", lambda a, b: a | b, _each)
COMMON = Meet("common", "only what is in both lists", lambda a, b: a & b, _each)
IN_EVERY = Meet(
    "in_every", "who or what is in both lists", _in_every, lambda value, _owner: circles([frozenset(value)])
)
BY_RULE = Meet("by_rule", "for each rule, who is in both lists", _by_rule, _roles)
WINDOWS = Meet("windows", "open only when both are", windows.both, lambda value, _owner: (value.term(),))
FREEZES = Meet(
    "freezes",
    "all of both lists",
    lambda a, b: windows.without_covered((*a, *b)),
    lambda value, owner: windows.without_covered(item.term(owner) for item in value),
)
LIMITS = Meet("limits", "all of both lists; for the same scope and period the smaller limit", _limits, _lift_limits)
NEAREST = Meet("nearest", "the project's", lambda _a, b: b, ordered=False)
SCANNERS = Meet(
    "scanners",
    "all of both lists; needed when one needs it",
    scanning.joined,
    lambda value, _owner: scanning.joined((), (item.term() for item in value)),
)
