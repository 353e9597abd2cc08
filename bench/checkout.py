"""What people run today over a checkout to have it scanned, as far as it is installed here."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.commands import Failed
from bot.scanners import rules

FINE = (0, 1, 200, 205)  # exit codes of a scanner that has done its work


def ways(clone: Path, folder: Path) -> dict[str, list[list[str]]]:
    """What people run over a checkout, as far as it is installed here: commands, one after another."""
    have = {name: _found(name) for name in ("ruff", "kingfisher", "hadolint", "zizmor", "gitleaks")}
    ruff = [str(have["ruff"]), "check", "--no-cache", "--select", "S", "."]
    kingfisher = [str(have["kingfisher"]), "scan", ".", "--no-validate", "--no-update-check"]
    made: dict[str, list[list[str]]] = {}
    if have["ruff"] and have["kingfisher"]:
        made["ruff, kingfisher"] = [ruff, kingfisher]
        rest = list(_others(clone, have))
        if rest:
            made["and the others"] = [ruff, kingfisher, *rest]
    if have["gitleaks"]:
        made["gitleaks"] = [[str(have["gitleaks"]), "dir", "--no-banner", "."]]
    semgrep = _semgrep(clone, folder)
    return made | ({"semgrep": [semgrep]} if semgrep else {})


def _others(clone: Path, have: Mapping[str, str | None]) -> Iterator[list[str]]:
    """What is run only where there is something for it."""
    docker = [str(one.relative_to(clone)) for one in clone.rglob("Dockerfile")]
    flows = [str(one.relative_to(clone)) for one in clone.glob(".github/workflows/*.yml")]
    if have["hadolint"] and docker:
        yield [have["hadolint"], *docker]
    if have["zizmor"] and flows:
        yield [have["zizmor"], "--offline", *flows]


def _semgrep(clone: Path, folder: Path) -> list[str] | None:
    """With the rules that people take for JavaScript."""
    semgrep, packed = shutil.which("semgrep"), rules.njsscan()
    if not semgrep or not packed or not any(clone.rglob("*.js")):
        return None
    config = str(rules.packed(folder, packed))
    return [semgrep, "scan", "--metrics=off", "--disable-version-check", "--config", config, "."]


def _found(name: str) -> str | None:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


async def through(commands: Sequence[Sequence[str]], folder: Path) -> float:
    """Seconds until the last of them has ended.  Raises Failed."""
    began = time.perf_counter()
    for command in commands:
        run = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        said = (await run.communicate())[1]
        # zizmor says how grave it is by its exit code
        if run.returncode not in FINE and Path(command[0]).name != "zizmor":
            raise Failed(f"{Path(command[0]).name} ended with {run.returncode}: {said.decode(errors='replace')[-500:]}")
    return time.perf_counter() - began
