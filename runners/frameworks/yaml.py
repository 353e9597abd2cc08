"""YAML of strangers, read as plain values: bounded in size, depth and the work that anchors make.

Every scalar is text, because what is read here is names, paths and command lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LARGEST = 64 * 1024  # characters
DEEPEST = 12
MOST_ALIASES = 200
_MERGE = "<<"


def mapping(text: str) -> dict[str, Any]:
    """The mapping of the first document; {} when it is none, or over the bounds."""
    import yaml  # 20 ms to import, for what few projects have

    if len(text) > LARGEST:
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = _Reading(yaml.parse(text, Loader=loader)).document()
    except (yaml.YAMLError, _OverBoundsError, StopIteration, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class _OverBoundsError(Exception):
    """Too deep, or too many aliases."""


class _Reading:
    """Events become values; an alias is the very value that it names, so nothing grows."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._named: dict[str, Any] = {}
        self._aliases = 0

    def document(self) -> Any:
        for event in self._events:
            if type(event).__name__ == "DocumentStartEvent":
                return self._value(next(self._events), 0)
        return None

    def _value(self, event: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise _OverBoundsError
        kind = type(event).__name__
        found: Any = None
        if kind == "AliasEvent":
            self._aliases += 1
            if self._aliases > MOST_ALIASES:
                raise _OverBoundsError
            return self._named.get(event.anchor)
        if kind == "ScalarEvent":
            found = None if event.implicit[0] and event.value in ("", "~", "null") else str(event.value)
        elif kind == "SequenceStartEvent":
            found = [self._value(each, depth + 1) for each in self._until("SequenceEndEvent")]
        elif kind == "MappingStartEvent":
            found = self._mapping(depth)
        if event.anchor:
            self._named[event.anchor] = found
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for event in self._until("MappingEndEvent"):
            key = self._value(event, depth + 1)
            value = self._value(next(self._events), depth + 1)
            if key == _MERGE:
                for each in value if isinstance(value, list) else [value]:
                    merged = {**each, **merged} if isinstance(each, dict) else merged
            elif isinstance(key, str):
                own[key] = value
        return {**merged, **own}

    def _until(self, end: str) -> Iterator[Any]:
        for event in self._events:
            if type(event).__name__ == end:
                return
            yield event
