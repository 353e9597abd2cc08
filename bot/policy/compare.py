"""Whether one policy is tighter or looser than another, field by field."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from bot.policy import fields, kinds, terms, windows
from bot.policy.kinds import Shown
from bot.policy.meets import Meet
from bot.policy.scanning import Scanner
from bot.policy.terms import Effective

NOBODY = (frozenset[str](),)

Way = Literal["tighter", "looser", "other"]


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One field that changes.  `before` and `after` in words for people: plain text, not escaped."""

    path: str
    way: Way
    before: str
    after: str


def compare(old: Effective, new: Effective) -> tuple[Difference, ...]:
    """What changes, in the order of the schema's fields; what can't be called tighter is looser."""
    return tuple(_differences(old, new))


def loosened(differences: tuple[Difference, ...]) -> bool:
    """Does anything become possible that was denied?"""
    return any(difference.way == "looser" for difference in differences)


def _differences(old: Effective, new: Effective) -> Iterator[Difference]:
    before, after = _all(old, new), _all(new, old)
    for path, was in before.items():
        now = after[path]
        if was == now:
            continue
        leaf = fields.leaf(path)
        yield Difference(path, _way(leaf.meet, was, now), words(was, leaf.say), words(now, leaf.say))


def _all(one: Effective, other: Effective) -> dict[str, Any]:
    """Every field of one, with the defaults for environments that only the other speaks of."""
    found = dict(fields.held(one.preview, "environments.preview"))
    for name in sorted({*one.environments, *other.environments}):
        found |= fields.held(one.terms(name), f"environments.{name}")
    for name in ("agents", "budgets", "isolation", "override", "scan"):
        found |= fields.held(getattr(one, name), name)
    return found


def _way(meet: Meet, was: Any, now: Any) -> Way:
    if not meet.ordered:
        return "other"
    return "tighter" if meet(was, now) == now else "looser"


def words(value: Any, say: Shown | None = None) -> str:
    """A value of the terms for people."""
    if isinstance(value, Mapping):
        return "; ".join(f"{rule}: {_listed(who)}" for rule, who in value.items() if who != NOBODY) or "nobody"
    if isinstance(value, frozenset | tuple):
        return _listed(value)
    if value is None:
        return "not said"
    if isinstance(value, bool):
        return str(value).lower()
    return say.say(value) if say is not None else str(value)


def _listed(value: frozenset[Any] | tuple[Any, ...]) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(_item(item) for item in value)) or "none"
    # Sets of people are joined by "and": one has to be in each.
    between = " and " if value and isinstance(value[0], frozenset) else "; "
    return between.join(_item(item) for item in value) or "none"


def _item(item: Any) -> str:
    said = next((words for kind, words in _SAID if isinstance(item, kind)), str)
    return said(item)


def _people(item: frozenset[Any]) -> str:
    return _listed(item) if item else "nobody"


def _window(item: windows.Window) -> str:
    return f"{', '.join(windows.spelled(span) for span in item.spans) or 'never'} ({item.zone})"


def _freeze(item: windows.Freeze) -> str:
    return f"{_time(item.start)} to {_time(item.end)} UTC"


def _required(item: terms.RequiredCheck) -> str:
    return f"{item.name} (app {item.app or 'self'})"


def _extra(item: terms.ExtraCheck) -> str:
    return _required(item.check) if item.check else f"{item.webhook} ({kinds.span(item.timeout)})"


def _identity(item: terms.Identity) -> str:
    return f"{item.kind} {item.id}"


def _scanner(item: Scanner) -> str:
    how = " ".join(item.command) or (f"rules of {item.rules}" if item.rules else "")
    marks = [how, *([] if item.needed else ["not needed"]), *([] if item.wanted else ["where it is named"])]
    told = ", ".join(mark for mark in marks if mark)
    return f"{item.name} ({told})" if told else item.name


def _limit(item: terms.Limit) -> str:
    return f"{kinds.amount(item.limit)} {item.currency} a {item.period} for {item.scope}, then {item.on_limit}"


_SAID: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (frozenset, _people),
    (windows.Window, _window),
    (windows.Freeze, _freeze),
    (terms.RequiredCheck, _required),
    (terms.ExtraCheck, _extra),
    (terms.Identity, _identity),
    (Scanner, _scanner),
    (terms.Limit, _limit),
)


def _time(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M}"
