"""The fields of a policy one by one: their path, their meet, what they mean.  Read off the schema, kept in no list."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from bot.policy.kinds import Shown
from bot.policy.meets import Meet
from bot.policy.parts import Said, Stage
from bot.policy.schema import Environments, Policy

ANY = "*"  # in a path: whichever environment
# They say how the rest of their file is read, and go into its terms.
ABOUT = frozenset({"version", "inherit", "budgets.currency", "budgets.timezone"})


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """One field.  `path` as in the file, `environments.*.soak`."""

    path: str
    meet: Meet
    words: str
    say: Shown | None


def shown(name: str) -> str:
    """The name that stands in the file: a word of Python has a `_` behind it in our code."""
    return name.rstrip("_")


def meet_of(field: FieldInfo) -> Meet | None:
    return next((found for found in field.metadata if isinstance(found, Meet)), None)


# What a policy may say and this version does not act on yet.  `slipway policy check` and docs/policy.md tell it.
NOT_YET = (
    *("environments.*.health.expect", "environments.*.health.timeout", "environments.*.health.warmup"),
    *("environments.*.health.no_data", "environments.*.auto_rollback.errors", "environments.*.auto_rollback.hold"),
    *("environments.*.auto_rollback.migrations", "environments.*.retention.*", "environments.*.scan.licences.*"),
    *("agents.may.override", "isolation.*"),
)


def not_yet(path: str) -> bool:
    """Whether what a policy says there has no effect yet."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in NOT_YET)


@functools.cache
def leaves() -> Mapping[str, Leaf]:
    """Every field that has a meet.  Raises TypeError for one that should have one."""
    return MappingProxyType({leaf.path: leaf for leaf in _leaves(Policy, "")})


def _leaves(model: type[Said], path: str) -> Iterator[Leaf]:
    for name, field in model.model_fields.items():
        here = f"{path}.{shown(name)}" if path else name
        meet, inner = meet_of(field), part_of(field)
        if meet is not None:
            yield Leaf(here, meet, field.description or "", next(_marks(field.annotation), None))
        elif inner is not None and issubclass(inner, Stage):
            if name == "production":
                yield from _leaves(inner, f"{path}.{ANY}")
        elif inner is not None:
            yield from _leaves(inner, here)
        elif here not in ABOUT:
            raise TypeError(f"{here} has no meet: what holds when two layers speak of it?")


def part_of(field: FieldInfo) -> type[Said] | None:
    """The part of a policy that a field holds, one or a list of them."""
    return next(_parts(field.annotation), None)


def _parts(annotation: Any) -> Iterator[type[Said]]:
    if isinstance(annotation, type) and issubclass(annotation, Said):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def options(annotation: Any) -> Iterator[Any]:
    """The words that a field with a choice takes."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for argument in get_args(annotation):
            yield from options(argument)


def _marks(annotation: Any) -> Iterator[Shown]:
    yield from (mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Shown))
    for argument in get_args(annotation):
        yield from _marks(argument)


@functools.lru_cache(maxsize=4096)
def leaf(path: str) -> Leaf:
    """The field of a path as `said` and `held` give them."""
    parts = path.split(".")
    if parts[0] == "environments" and parts[1] != "preview":
        parts[1] = ANY
    return leaves()[".".join(parts)]


def said(policy: Policy) -> Iterator[tuple[str, Any]]:
    """What a layer says: path, and the value as terms hold it."""
    yield from _said(policy, "")


def _said(part: Said, path: str) -> Iterator[tuple[str, Any]]:
    for name, meet in _meets(type(part)):
        value = getattr(part, name)
        if value is None:
            continue
        here = f"{path}.{shown(name)}" if path else name
        if meet is not None:
            yield here, meet.lift(value, part)
        elif isinstance(value, Said) and not isinstance(value, Stage):
            yield from _said(value, here)
    if isinstance(part, Environments):
        for name, stage in part.stages():
            yield from _said(stage, f"{path}.{name}")


@functools.cache
def _meets(model: type[Said]) -> tuple[tuple[str, Meet | None], ...]:
    return tuple((name, meet_of(field)) for name, field in model.model_fields.items())


def held(part: object, path: str) -> Iterator[tuple[str, Any]]:
    """The fields of terms: path and value."""
    for field in dataclasses.fields(part):  # type: ignore[arg-type]
        value, here = getattr(part, field.name), f"{path}.{shown(field.name)}"
        if dataclasses.is_dataclass(value):
            yield from held(value, here)
        else:
            yield here, value
