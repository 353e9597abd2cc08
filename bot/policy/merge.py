"""Several layers become what holds.  Each may only tighten what another says; what none speaks of has its default."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from bot.policy import fields
from bot.policy.scanning import Scanning
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
        spoken = dict(fields.said(layer.policy))
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
    rules = {rule for path in spoken for rule in _rules(path)}
    return dict.fromkeys(rules.difference(spoken.get(ROLES, ())), NOBODY)


@functools.lru_cache(maxsize=4096)
def _rules(path: str) -> tuple[str, ...]:
    """The rules that stand on a field.  `scan` at the top of a file is about who looks, and no rule stands on that."""
    inside = path.split(".", 2)[-1] if path.startswith("environments.") else path
    return tuple(
        rule
        for rule, roots in OVERRIDABLE.items()
        if any(inside == root or inside.startswith(f"{root}.") for root in roots) and not path.startswith("scan.")
    )


def _joined(path: str, words: Iterable[_Word]) -> Any:
    return functools.reduce(fields.leaf(path).meet, (word.value for word in words))


def _deciders(words: Sequence[_Word], value: Any) -> tuple[str, ...]:
    """The one layer whose word it is, the outermost of several; else all of them together."""
    alone = next((word.layer for word in words if word.value == value), None)
    return (alone,) if alone is not None else tuple(word.layer for word in words)


def _effective(values: Mapping[str, Any], decided: Mapping[str, tuple[str, ...]]) -> Effective:
    tree = _tree(values)
    stages = tree.get("environments", {})
    preview = _filled(Preview(), stages.pop("preview", {}))
    roles = tree.setdefault("override", {}).get("roles", {})
    tree["override"]["roles"] = MappingProxyType({rule: roles.get(rule, NOBODY) for rule in OVERRIDABLE})
    override = _filled(Override(), tree["override"])
    return Effective(
        preview=preview,
        environments=MappingProxyType(
            {name: _filled(Terms(), stages.get(name, {})) for name in sorted({*stages, *STAGES})}
        ),
        agents=_filled(Agents(), tree.get("agents", {})),
        budgets=_filled(Budgets(), tree.get("budgets", {})),
        isolation=_filled(Isolation(), tree.get("isolation", {})),
        scan=_filled(Scanning(), tree.get("scan", {})),
        override=dataclasses.replace(override, never=override.never | Override().never),
        decided=MappingProxyType(dict(decided)),
    )


def _tree(values: Mapping[str, Any]) -> dict[str, Any]:
    """Paths as mappings inside each other."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        here = tree
        for name in parents:
            here = here.setdefault(name, {})
        here[last] = value
    return tree


def _filled(default: T, said: Mapping[str, Any]) -> T:
    """The defaults, with what was said in place of them."""
    changes: dict[str, Any] = {}
    for name, value in said.items():
        attribute = name if hasattr(default, name) else f"{name}_"
        before = getattr(default, attribute)
        changes[attribute] = _filled(before, value) if dataclasses.is_dataclass(before) else value
    return dataclasses.replace(default, **changes) if changes else default  # type: ignore[type-var]
