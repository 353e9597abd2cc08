"""A policy file as it was written becomes a policy, or every fault in it with its line and column."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.policy import fields
from bot.policy.kinds import told
from bot.policy.parts import Said, Stage
from bot.policy.scanners import SERVER
from bot.policy.schema import Environments, Policy
from bot.policy.text import Fault, Invalid, Node, read

__all__ = ["Fault", "Invalid", "load"]

MOST = 200  # faults that are put into words

# What a value has to be, by pydantic's name of the error.
_KINDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping of names and values",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "a mapping of names and values",
    "string_type": "text",
    "tuple_type": "a list: [one, another]",
}


def load(text: bytes, *, server: bool = False) -> Policy:
    """The policy in a file.  An empty one says nothing.  Raises Invalid with all that is wrong.

    `server`: it is the server's own, which may also say how scanners are started."""
    root, faults = read(text)
    if root.value is None and not faults:
        return Policy()
    try:
        policy = Policy.model_validate({} if root.value is None else root.value, context={SERVER: server})
    except ValidationError as error:
        found = error.errors(include_url=False)[:MOST]
        # A list is not short because nothing good is left of it.
        raise Invalid([*faults, *(_fault(root, one) for one in found if not _follows(one, found))]) from None
    if faults:
        raise Invalid(faults)
    return policy


def _follows(error: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        len(one["loc"]) > len(loc) == _shared(one["loc"], loc) for one in others
    )


def _shared(one: Sequence[object], other: Sequence[object]) -> int:
    return sum(1 for _same in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _fault(root: Node, error: ErrorDetails) -> Fault:
    node, place, path = root, (root.line, root.column), list[str | int]()
    for step in error["loc"]:
        child = node.children.get(step)
        if child is None:
            continue  # a name that is missing, or one of pydantic's own words
        path.append(step)
        place = (child.line, child.column)
        # What is wrong with a name, or with a whole mapping, is told where the name stands.
        named = error["type"] == "extra_forbidden" or error["loc"][-1] == "[key]"
        if isinstance(step, str) and (child.children or named):
            place = node.keys[step]
        node = child
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    return Fault(*place, _spelled(path), _words(error, path))


def _spelled(path: Sequence[str | int]) -> str:
    """`environments.production.checks[0].name`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(step if step.isprintable() else "?" for step in steps).removeprefix(".")


def _words(error: ErrorDetails, path: Sequence[str | int]) -> str:
    kind, value, limits = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "missing":
        return "this is missing"
    if kind in _KINDS:
        return f"{told(value)} is not {_KINDS[kind]}{_quoted(kind, value)}"
    if kind == "literal_error":
        return _choice(value, _options(path))
    if kind == "value_error":
        return str(limits["error"])
    return _limit(kind, value, limits) or error["msg"]


def _quoted(kind: str, value: object) -> str:
    """What people write who know YAML 1.1, or a number in quotes."""
    if kind == "bool_type" and str(value).lower() in ("yes", "no", "on", "off", "y", "n"):
        return f": write {'true' if str(value).lower() in ('yes', 'on', 'y') else 'false'}"
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return ": write it without the quotes"
    return ""


def _limit(kind: str, value: object, limits: Mapping[str, Any]) -> str | None:
    match kind:
        case "greater_than_equal":
            return f"{told(value)} is too small: {limits['ge']} at least"
        case "less_than_equal":
            return f"{told(value)} is too large: {limits['le']} at most"
        case "too_short" | "string_too_short":
            return "this is empty: leave it out, or say something"
        case "too_long":
            return f"these are too many: {limits['max_length']} at most"
        case "string_too_long":
            return f"this is too long: {limits['max_length']} characters at most"
    return None


def _choice(value: object, options: Sequence[str]) -> str:
    near = _near(value, options)
    return f"{told(value)} is none of {', '.join(options)}{near}"


def _near(value: object, options: Sequence[str]) -> str:
    found = difflib.get_close_matches(value.lower(), options, 1) if isinstance(value, str) else []
    return f'; did you mean "{found[0]}"?' if found else ""


def _unknown(path: Sequence[str | int]) -> str:
    name, model = str(path[-1]), _model(path[:-1])
    names = [fields.shown(known) for known in model.model_fields]
    near = _near(name, names)
    if near:
        return f"this is not known{near}"
    places = sorted({place for place, known in _everywhere(Policy, "") if known == name})
    if places:
        return f"this does not belong here, but under {' or '.join(places)}"
    return f"this is not known; here may be {', '.join(names)}"


def _everywhere(model: type[Said], path: str) -> Iterator[tuple[str, str]]:
    """Each name of the schema and the path of what it stands in."""
    for known, field in model.model_fields.items():
        name = fields.shown(known)
        yield path or "the top", name
        inner = fields.part_of(field)
        if inner is not None and not (issubclass(inner, Stage) and name != "production"):
            yield from _everywhere(inner, f"{path}.{name}" if path else name)


def _model(path: Sequence[str | int]) -> type[Said]:
    """The part of the schema that a path leads to."""
    model: type[Said] = Policy
    for step in path:
        if isinstance(step, str):
            field = next((field for name, field in model.model_fields.items() if fields.shown(name) == step), None)
            inner = fields.part_of(field) if field else None
            model = inner or (Stage if model is Environments else model)
    return model


def _options(path: Sequence[str | int]) -> list[str]:
    """The words that may stand at a path."""
    last = next(step for step in reversed(path) if isinstance(step, str))
    at = max(n for n, step in enumerate(path) if step == last)
    for name, field in _model(path[:at]).model_fields.items():
        if fields.shown(name) == last:
            return [str(option) for option in fields.options(field.annotation)]
    return []
