"""A scan beside a cold build of the same change, as the service does it: a new house, plain processes, empty home."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from bench.apps import Files
from bench.commands import until
from bench.stage import OWNER, PERSON, Stage, stage

BRANCH = "change"
Steps = Sequence[tuple[float, str]]  # when, and what began


@dataclasses.dataclass(frozen=True, slots=True)
class Beside:
    """Seconds from the moment when the change was accepted."""

    name: str
    built: float  # its dependencies are installed
    live: float
    scanned: float

    @classmethod
    def of(cls, name: str, timeline: Steps, scanned: float) -> Self:
        """By the books: a deployment's steps, and when the scan ended."""
        at = {words: when for when, words in reversed(timeline)}
        began = timeline[0][0]
        return cls(name, at["starting"] - began, at["live"] - began, scanned - began)

    @property
    def ratio(self) -> float:
        """Below 1: the scan ended first."""
        return self.scanned / self.built

    def as_json(self) -> dict[str, Any]:
        return {"app": self.name, "built": self.built, "live": self.live, "scanned": self.scanned, "ratio": self.ratio}

    def __str__(self) -> str:
        return (
            f"{'✓' if self.ratio < 1 else '✗'} cold {self.name}: scanned after {self.scanned:.2f} s, "
            f"built after {self.built:.2f}, live after {self.live:.2f}: scan ÷ build = {self.ratio:.2f}"
        )


async def cold(name: str, files: Files, folder: Path) -> Beside:
    """Open a pull request with these files in a house that has seen none.  Raises Failed."""
    async with stage(folder, "process") as house:
        await until(lambda: _ready(house), "the scanners to be ready", 0.05)
        repo = await house.project(name, {"README.md": "# A shop\n"})
        sha = await house.github.branch_commit(repo, BRANCH, files, "Begin", author=PERSON)
        await house.github.open_pull(repo, BRANCH, "main", "Begin", "", PERSON)

        async def look() -> bool:
            return _live(house, sha) is not None and _scanned(house, sha) is not None

        await until(look, f"{OWNER}/{name} to be live and scanned", 0.05)
        return Beside.of(name, _live(house, sha) or (), _scanned(house, sha) or 0.0)


async def measured(projects: Mapping[str, Files], rounds: int) -> list[Beside]:
    """Each of them, in a new house every time.  Their Dockerfiles are left out: plain processes build none."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="slipway-bench-cold-"))
    try:
        return [
            await cold(
                name, {path: text for path, text in files.items() if path != "Dockerfile"}, folder / f"{at}{name}"
            )
            for at in range(rounds)
            for name, files in projects.items()
        ]
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _ready(house: Stage) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{house.port}/readyz", timeout=10)).status_code == 200


def _live(house: Stage, sha: str) -> Steps | None:
    rows = house.rows("select timeline from deployment where sha = ?", sha)
    timeline = json.loads(rows[-1][0]) if rows else []
    return [(at, words) for at, words in timeline] if any(words == "live" for _at, words in timeline) else None


def _scanned(house: Stage, sha: str) -> float | None:
    rows = house.rows("select ended_at from scan where sha = ?", sha)
    return float(rows[0][0]) if rows and rows[0][0] else None
