"""Strict YAML: what is written is what is read.

The scalars of YAML 1.2 (so `no` is a word and 17:30 is no number), names said once, no anchors, aliases, tags or second
document, a limited size and depth.  Every value knows its line and column.  Numbers with a point are Decimal.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import yaml

from bot.errors import SlipwayError
from bot.policy.kinds import told

LARGEST = 65_536  # bytes
DEEPEST = 12  # mappings and lists inside each other
MANY = 50  # faults that are told

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "null", "Null", "NULL", "~"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_OTHER_INT = re.compile(r"0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something wrong in a file.  Lines and columns count from 1; `path` is empty for the file as a whole."""

    line: int
    column: int
    path: str
    words: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {f'{self.path}: ' if self.path else ''}{self.words}"


class Invalid(SlipwayError):
    """A policy that can't be read, with all that is wrong, in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults))[:MANY])
        super().__init__("\n".join(map(str, self.faults)))


@dataclasses.dataclass(slots=True)
class Node:
    """A value and where it stands.  `keys`: where the names of a mapping stand."""

    line: int
    column: int
    value: Any = None
    keys: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    children: dict[str | int, Node] = dataclasses.field(default_factory=dict)


def read(text: bytes) -> tuple[Node, list[Fault]]:
    """The one document, with what is wrong in it but can be read past.  Raises Invalid for what can't.

    Lists become tuples.  An empty file is None."""
    if len(text) > LARGEST:
        raise Invalid([Fault(1, 1, "", f"the file has {len(text):,} bytes; {LARGEST:,} are allowed")])
    try:
        words = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise Invalid([Fault(line, column, "", "the file is no UTF-8: save it as that")]) from error
    reading = _Reading(yaml.parse(words, Loader=_LOADER))
    try:
        return reading.document(), reading.faults
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Invalid([*reading.faults, Fault(*place, "", f"this is no YAML: {_said(error)}")]) from error
    except yaml.YAMLError as error:
        raise Invalid([Fault(1, 1, "", "this is no YAML: it has characters that can't be printed")]) from error


def _said(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it can't be read"
    if "cannot start any token" in problem:
        return f"{problem}; indent with spaces, and put quotes around text with signs in it"
    return problem


class _Reading:
    """Events become nodes.  Anchors are never followed, so the work is no more than the text is long."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self.faults: list[Fault] = []

    def document(self) -> Node:
        root, documents = Node(1, 1), 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fault(event, "a second document begins here: a policy is one")
                    break
                if event.version or event.tags:
                    self._fault(event, "leave out lines that begin with %: a policy is YAML 1.2")
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, 0)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if event.anchor:
            sign = "an alias (*)" if isinstance(event, yaml.AliasEvent) else "an anchor (&)"
            self._fault(event, f"{sign} is not allowed: write the value where it belongs")
        if getattr(event, "tag", None):
            self._fault(event, "a tag (!) is not allowed: values are what they look like")
        if isinstance(event, yaml.ScalarEvent):
            node.value = _scalar(event.value) if event.implicit[0] else event.value
            return node
        if depth >= DEEPEST and not isinstance(event, yaml.AliasEvent):
            raise Invalid([*self.faults, self._told(event, f"this is nested more than {DEEPEST} deep")])
        if isinstance(event, yaml.MappingStartEvent):
            self._mapping(node, depth + 1)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._sequence(node, depth + 1)
        return node

    def _mapping(self, node: Node, depth: int) -> None:
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            name = self._node(key, depth)
            value = self._node(next(self._events), depth)
            if not isinstance(key, yaml.ScalarEvent):
                self._fault(key, "the name of a field is a word, nothing else")
            elif key.value in node.children:
                first = node.keys[key.value][0]
                self._fault(key, f"{told(key.value)} is here twice: it is on line {first} already")
            else:
                node.keys[key.value] = (name.line, name.column)
                node.children[key.value] = value
        node.value = {name: child.value for name, child in node.children.items()}

    def _sequence(self, node: Node, depth: int) -> None:
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            node.children[len(node.children)] = self._node(item, depth)
        node.value = tuple(child.value for child in node.children.values())

    def _told(self, event: Any, words: str) -> Fault:
        return Fault(event.start_mark.line + 1, event.start_mark.column + 1, "", words)

    def _fault(self, event: Any, words: str) -> None:
        self.faults.append(self._told(event, words))


def _scalar(text: str) -> object:
    """A plain scalar by the core schema of YAML 1.2.  Numbers that no policy needs stay text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_INT.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return Decimal(text) if _FLOAT.fullmatch(text) else text
