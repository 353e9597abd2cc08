"""Several layers become what holds.  Each may only tighten what another says; what none speaks of has its default."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from bot.policy import fields, meets
from bot.policy.schema import Policy
from bot.policy.terms import (
    OVERRIDABLE,
    STAGES,
    Agents,
    Budgets,
    Circles,
    Effective,
    Isolation,
    Override,
    Preview,
    Terms,
)

ROLES = "override.roles"
NOBODY: Circles = (frozenset[str](),)

T = TypeVar("T")


class Layer(NamedTuple):
    """Who speaks, and what they say: "server", "organization", "project"."""

    name: str
    policy: Policy


class _Word(NamedTuple):
    layer: str
    value: Any


def merge(layers: Sequence[Layer]) -> Effective:
    """What holds when all of these speak, the outermost first.  Without layers: the defaults."""
    heard: dict[str, list[_Word]] = {}
    for layer in layers:
        spoken = {path: value for path, _meet, value in fields.said(layer.policy)}
        unlifted = _unlifted(spoken)
        if unlifted:
            spoken[ROLES] = {**spoken.get(ROLES, {}), **unlifted}
        for path, value in spoken.items():
            heard.setdefault(path, []).append(_Word(layer.name, value))
    values = {path: _joined(path, words) for path, words in heard.items()}
    decided = {path: _deciders(words, values[path]) for path, words in heard.items()}
    return _effective(values, decided)


def _unlifted(spoken: Mapping[str, Any]) -> dict[str, Circles]:
    """The rules that a layer sets without saying who may lift them: nobody, or another layer could lift them."""
    named = spoken.get(ROLES, {})
    return {
        rule: NOBODY
        for rule, roots in OVERRIDABLE.items()
        if rule not in named and any(_under(path, root) for path in spoken for root in roots)
    }


def _under(path: str, root: str) -> bool:
    inside = path.split(".", 2)[-1] if path.startswith("environments.") else path
    return inside == root or inside.startswith(f"{root}.")


def _joined(path: str, words: Iterable[_Word]) -> Any:
    return functools.reduce(fields.leaf(path).meet, (word.value for word in words))


def _deciders(words: Sequence[_Word], value: Any) -> tuple[str, ...]:
    """The one layer whose word it is, the outermost of several; else all of them together."""
    alone = next((word.layer for word in words if word.value == value), None)
    return (alone,) if alone is not None else tuple(word.layer for word in words)


def _effective(values: dict[str, Any], decided: Mapping[str, tuple[str, ...]]) -> Effective:
    names = {path.split(".")[1] for path in values if path.startswith("environments.")} - {"preview"}
    roles = meets.BY_RULE(values[ROLES], {}) if ROLES in values else {}
    values[ROLES] = MappingProxyType({rule: roles.get(rule, NOBODY) for rule in OVERRIDABLE})
    override = _filled(Override(), "override", values)
    return Effective(
        preview=_filled(Preview(), "environments.preview", values),
        environments=MappingProxyType(
            {name: _filled(Terms(), f"environments.{name}", values) for name in sorted({*names, *STAGES})}
        ),
        agents=_filled(Agents(), "agents", values),
        budgets=_filled(Budgets(), "budgets", values),
        isolation=_filled(Isolation(), "isolation", values),
        override=dataclasses.replace(override, never=override.never | Override().never),
        decided=MappingProxyType(dict(decided)),
    )


def _filled(default: T, path: str, values: Mapping[str, Any]) -> T:
    """The defaults, with what was said in place of them."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(default):  # type: ignore[arg-type]
        here, value = f"{path}.{fields.shown(field.name)}", getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            filled = _filled(value, here, values)
            if filled is not value:
                changes[field.name] = filled
        elif here in values:
            changes[field.name] = values[here]
    return dataclasses.replace(default, **changes) if changes else default  # type: ignore[type-var]
