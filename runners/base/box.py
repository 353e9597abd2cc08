"""A place to run a tool that reads what strangers wrote: nothing to reach, nothing to change, an end for certain."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

TAIL = 2000  # characters of what was complained of that are kept


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """What came of one run."""

    code: int | None  # None: ended by us
    output: bytes
    errors: str  # the end of what it wrote beside, at most TAIL characters
    seconds: float
    why: str | None = None  # we ended it: "took longer than 60 s", "printed more than 32 MB"


class Box(Protocol):
    """No network, nothing of our environment, only `cache` may be written and stays."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        readable: Sequence[Path],
        cache: Path | None,
        env: Mapping[str, str],
        seconds: float,
        most: int,
    ) -> Ended:
        """Run a program in `folder` until it ends, for `seconds` or `most` bytes of output at most.

        Nothing that it started lives on.  `readable`: what it must see beside the folder, itself included.
        Raises Unavailable when the box itself does not work."""

    async def close(self) -> None:
        """Let go of what the box itself holds."""


def too_long(seconds: float) -> str:
    """Why we ended it."""
    return f"took longer than {seconds:g} s"


def too_much(most: int) -> str:
    """Why we ended it."""
    return f"printed more than {most / 1024 / 1024:g} MB"


def tail(raw: bytes) -> str:
    """The end of what a tool complained of, as text."""
    return raw[-4 * TAIL :].decode("utf-8", "replace").strip()[-TAIL:]
