"""Scanners that are no entry of SCANNERS: programs and rules that this server's operator describes in its policy."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.scanners import rules
from bot.scanners.suppress import fits
from bot.scanners.tools import ENGINE, SEMGREP_VERSION, Job, Tool, semgrep

FILES, REPORT = "{files}", "{report}"


def program(name: str, command: Sequence[str], files: Sequence[str], *, needed: bool) -> Tool:
    """Anything that writes SARIF 2.1.0.  In the command `{files}` stands for the files, and `{report}` for where the
    report goes; without `{files}` it looks at the folder that it is started in, without `{report}` it prints it."""

    def line(job: Job) -> list[str]:
        words = [str(job.binary)]
        for word in command[1:]:
            words += job.targets if word == FILES else [word.replace(REPORT, str(job.report))]
        return words

    def found() -> Path | None:
        there = shutil.which(command[0])
        return Path(there) if there else None

    return Tool(
        name=name,
        wants=_wants(files),
        command=line,
        binary=found,
        install=f"put {command[0]} on the PATH of Slipway's server",
        fine=frozenset({0, 1}),  # 1: many say so that they found something
        needed=needed,
        reports="report.sarif" if any(REPORT in word for word in command) else "",
        key=lambda: json.dumps([*command, "|", *files]),
    )


def engine(name: str, folder: Path, files: Sequence[str], *, needed: bool) -> Tool:
    """Rules of a team's own for semgrep's engine: every YAML or JSON file below the folder."""

    def line(job: Job) -> list[str]:
        return semgrep(job, rules.team(job.cache, folder))

    return Tool(
        name=name,
        wants=_wants(files),
        command=line,
        binary=ENGINE,
        install="uv sync --extra scan-js, in Slipway's own folder",
        needed=needed,
        version=SEMGREP_VERSION,
        key=lambda: json.dumps([_digest(folder), *files]),
    )


def _wants(files: Sequence[str]) -> Callable[[str], bool]:
    return lambda path: any(fits(pattern, path) for pattern in files)


def _digest(folder: Path) -> str:
    """Of all rules as they are written now."""
    text = hashlib.sha256()
    for path in rules.written_in(folder):
        text.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
    return text.hexdigest()
