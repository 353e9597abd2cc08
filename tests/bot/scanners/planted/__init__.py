"""A project with known faults, line by line, and a clean pair beside it: what the scanners are measured on.

The faulty sources say in each faulty line what is wrong with it, behind `⟪`; the mark is taken off when the file is
written, so no scanner ever sees it.  Keys are made when the files are: none is in the repository.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Literal, Protocol

from tests.bot.scanners.planted import clean, infrastructure, javascript, python
from tests.bot.scanners.planted.keys import SECRETS, Key

Class = Literal["secret", "python", "javascript", "docker", "workflow", "dependency"]
CLASSES: tuple[Class, ...] = ("secret", "python", "javascript", "docker", "workflow", "dependency")
NEAR = 2  # lines: a scanner may point at the statement's first line, or at its last
# The kinds of finding that tell of a class: a password in Python is a secret to some tools, and code to others.
KINDS: Mapping[Class, frozenset[str]] = {
    "secret": frozenset({"secret"}),
    "python": frozenset({"code", "secret"}),
    "javascript": frozenset({"code", "secret"}),
    "docker": frozenset({"config", "secret"}),
    "workflow": frozenset({"config", "secret"}),
    "dependency": frozenset({"dependency", "malware"}),
}
_MARK = re.compile(r" *⟪ (.+)$")


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.  `name`: of what kind."""

    cls: Class
    name: str
    path: str
    line: int


@dataclasses.dataclass(frozen=True, slots=True)
class Planted:
    """What was written, what is wrong with it, and the texts that nobody may repeat."""

    root: Path
    faults: tuple[Fault, ...]
    secrets: tuple[str, ...] = dataclasses.field(repr=False)
    seed: str

    @property
    def paths(self) -> list[str]:
        return sorted(one.relative_to(self.root).as_posix() for one in self.root.rglob("*") if one.is_file())


class Seen(Protocol):
    """As much of a finding as is needed to place it."""

    @property
    def kind(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...


def plant(root: Path, seed: str | None = None) -> Planted:
    """Write the faulty project into a folder.  The same seed gives the same keys."""
    seed = seed or os.urandom(8).hex()
    faults: list[Fault] = []
    for cls, files in _SOURCES.items():
        for path, text in files.items():
            plain, names = unmarked(text)
            _write(root, path, plain)
            faults += [Fault(cls, name, path, line) for line, name in names]
    hidden: list[str] = []
    for path, text, names, texts in hide(SECRETS, Random(seed)):
        _write(root, path, text)
        faults += [Fault("secret", name, path, line) for line, name in names]
        hidden += texts
    return Planted(root, tuple(faults), tuple(hidden), seed)


def tidy(root: Path) -> list[str]:
    """Write the clean pair into a folder: the paths."""
    for path, text in clean.FILES.items():
        _write(root, path, text)
    return sorted(clean.FILES)


def unmarked(text: str) -> tuple[str, list[tuple[int, str]]]:
    """A source without its marks, and what they said by line."""
    lines, names = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if mark := _MARK.search(line):
            names.append((number, mark[1]))
        lines.append(_MARK.sub("", line))
    return "\n".join([*lines, ""]), names


def hide(keys: Iterable[Key], random: Random) -> list[tuple[str, str, list[tuple[int, str]], list[str]]]:
    """The files that keys are found in: path, text, what is where, the secrets themselves."""
    files: dict[str, list[str]] = {}
    found: dict[str, list[tuple[int, str]]] = {}
    texts: dict[str, list[str]] = {}
    for key in keys:
        lines = files.setdefault(key.path, [])
        # Other settings stand between them, as they do in life; and no two are close enough to be taken for each other.
        lines += [key.filler.format(number=len(lines) + step) for step in range(6)]
        made, secret = key.make(random)
        # Where a private key begins is where one looks; of anything else, where the secret itself stands.
        at = 0 if made.startswith("-----") else next(at for at, line in enumerate(made.splitlines()) if secret in line)
        found.setdefault(key.path, []).append((len(lines) + at + 1, key.name))
        texts.setdefault(key.path, []).append(secret)
        lines += made.splitlines()
    return [(path, "\n".join([*lines, ""]), found[path], texts[path]) for path, lines in files.items()]


def hits(faults: Iterable[Fault], findings: Iterable[Seen]) -> dict[Fault, bool]:
    """Whether each fault was found: by a finding of its class that stands nearest to it, at most two lines away."""
    known = list(faults)
    found = dict.fromkeys(known, False)
    for one in findings:
        near = [
            fault
            for fault in known
            if fault.path == one.path and one.kind in KINDS[fault.cls] and abs(fault.line - one.line) <= NEAR
        ]
        if near:
            found[min(near, key=lambda fault: abs(fault.line - one.line))] = True
    return found


def _write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


_SOURCES: Mapping[Class, Mapping[str, str]] = {
    "python": python.FILES,
    "javascript": javascript.FILES,
    "docker": infrastructure.DOCKER,
    "workflow": infrastructure.WORKFLOWS,
    "dependency": infrastructure.MANIFESTS,
}
