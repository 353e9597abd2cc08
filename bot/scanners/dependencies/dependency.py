"""One name that a project depends on, and what is known to be wrong with some."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

Ecosystem = Literal["pip", "npm"]  # GitHub's words

_SEPARATORS = re.compile(r"[-_.]+")
_PIP = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,198}[a-z0-9])?")
_NPM = re.compile(r"(?:@[a-z0-9~_-][a-z0-9._~-]*/)?[a-z0-9~_-][a-z0-9._~-]*", re.IGNORECASE)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,127}")
NPM_LONGEST = 214  # letters of a name


@dataclasses.dataclass(frozen=True, slots=True)
class Dependency:
    """A name as one file has it."""

    ecosystem: Ecosystem
    name: str  # normalised
    version: str | None  # exact
    path: str
    line: int  # where the name stands; 0: nobody knows
    direct: bool  # a person, or an agent, wrote it
    source: str = ""  # where it comes from when that is not the usual registry: a host, "git"


@dataclasses.dataclass(frozen=True, slots=True)
class Advisory:
    """What is publicly known against versions of one package."""

    id: str  # GHSA-...
    ecosystem: Ecosystem
    package: str  # normalised
    range: str  # ">= 2.0, < 2.3"
    fixed: str | None  # the first version without the fault
    severity: str  # low, medium, high, critical
    score: float | None  # CVSS
    summary: str
    url: str
    malware: bool = False
    known: float | None = dataclasses.field(default=None, compare=False)  # since when, Unix seconds; None: not said


Advisories = Callable[[str, Sequence[str]], Awaitable[list[Advisory]]]  # "pip", ["flask@0.12", ...]


def normal(ecosystem: Ecosystem, name: str) -> str | None:
    """The name as the registry knows it.  None: it can't be the name of anything."""
    if ecosystem == "pip":
        bare = _SEPARATORS.sub("-", name).lower()
        return bare if _PIP.fullmatch(bare) else None
    return name if len(name) <= NPM_LONGEST and _NPM.fullmatch(name) else None


def exact(version: object) -> str | None:
    """A version that can stand in an address, or None."""
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else None
