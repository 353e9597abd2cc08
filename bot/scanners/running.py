"""Runs the scanners side by side, each in a box, and reads what they say.

One that can't run, hangs, breaks or talks nonsense leaves a fault, never an exception and never a silent pass."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from bot.scanners.findings import Finding, Ran
from bot.scanners.sarif import LONGEST, NoReport, hushed, plain, read
from bot.scanners.tools import SCANNERS, Job, Tool
from runners.base import RunnerError
from runners.base.box import Box, Ended, too_much

_log = logging.getLogger(__name__)

ABSENT = "is not installed"
EDITION = 3  # counts up when a tool is asked for something else, or what it says is weighed otherwise
MOST = 32 * 1024 * 1024  # bytes of one tool's report
_BATCH = 384 * 1024  # bytes of paths on one command line: the kernel takes little more than a megabyte
_LARGEST = 4 * 1024 * 1024  # bytes of a file whose lines are looked at
_ENV = {"NO_COLOR": "1", "TERM": "dumb"}


async def scan(
    root: Path, paths: Sequence[str], box: Box, cache: Path, tools: Sequence[Tool] = SCANNERS, seconds: float = 60.0
) -> tuple[list[Finding], list[Ran]]:
    """What all tools that want something of `paths` see there, and how each one's turn went.

    `root` holds plain files; `cache` is ours between scans.  `seconds` is for each tool."""
    root, cache = await asyncio.to_thread(lambda: (root.resolve(), cache.resolve()))
    lines = _lines(root)
    turns = []
    for tool in tools:
        wanted = tuple(path for path in dict.fromkeys(paths) if tool.wants(path))
        if wanted:
            turns.append(_turn(tool, root, wanted, box, cache / tool.name, lines, seconds))
    done = await asyncio.gather(*turns)
    return [finding for findings, _ in done for finding in findings], [ran for _, ran in done]


async def warm(box: Box, cache: Path, tools: Sequence[Tool] = SCANNERS) -> list[Ran]:
    """Have the tools that keep something make it now (kingfisher: six seconds), before the first change comes."""
    root = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="slipway-warm-"))
    try:
        await asyncio.to_thread((root / "a.txt").write_text, "nothing\n")
        _, ran = await scan(root, ["a.txt"], box, cache, [tool for tool in tools if tool.keeps])
        return ran
    finally:
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)


async def edition(tools: Sequence[Tool] = SCANNERS) -> str:
    """The same for as long as the same tools look in the same way: what they found may be kept under it."""

    def known() -> str:
        return "\n".join([str(EDITION), *map(_edition, tools)])

    return await asyncio.to_thread(known)


def _edition(tool: Tool) -> str:
    binary = tool.binary()
    try:
        version = binary and (_version(binary, tool.version) or f"of {binary.stat().st_mtime_ns}")
        return f"{tool.name} {version} {tool.key()}".rstrip()
    except (OSError, subprocess.SubprocessError):
        return f"{tool.name} unknown"  # its turn will say why, and what has a fault is not kept


async def _turn(
    tool: Tool,
    root: Path,
    paths: tuple[str, ...],
    box: Box,
    cache: Path,
    lines: Callable[[str], Sequence[str]],
    seconds: float,
) -> tuple[list[Finding], Ran]:
    started = time.monotonic()
    ran = Ran(tool.name, needed=tool.needed)
    binary = await asyncio.to_thread(tool.binary)
    if binary is None:
        return [], dataclasses.replace(ran, fault=f"{ABSENT}: {tool.install}")
    findings: list[Finding] = []
    faults: list[str] = []
    clear, unclear = _clear(paths)
    if unclear:
        faults.append(f"can't be given {unclear} files, whose names are not UTF-8")
    version = ""
    try:
        version = await asyncio.to_thread(_version, binary, tool.version)
        await asyncio.to_thread(cache.mkdir, 0o755, True, True)
        for batch in _batches(clear):
            left = seconds - (time.monotonic() - started)
            seen, fault = await _batch(tool, Job(binary, root, batch, cache), box, lines, max(left, 0.1))
            findings += seen
            if fault:
                faults.append(fault)
                break
    except (RunnerError, OSError, subprocess.SubprocessError) as error:
        _log.warning("%s could not be run: %s", tool.name, error)
        faults.append(f"could not be run: {error}"[:300])
    took = time.monotonic() - started
    return findings, dataclasses.replace(ran, version=version, seconds=took, fault="; ".join(faults) or None)


async def _batch(
    tool: Tool, job: Job, box: Box, lines: Callable[[str], Sequence[str]], seconds: float
) -> tuple[list[Finding], str | None]:
    """One run: what it found, and why that is not all."""
    if not tool.reports:
        return await _run(tool, job, box, lines, seconds)
    folder = job.cache / f"run-{secrets.token_hex(8)}"  # nothing that one run leaves is there for another
    try:
        await asyncio.to_thread(folder.mkdir, 0o755)
        return await _run(tool, dataclasses.replace(job, report=folder / tool.reports), box, lines, seconds)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _run(
    tool: Tool, job: Job, box: Box, lines: Callable[[str], Sequence[str]], seconds: float
) -> tuple[list[Finding], str | None]:
    argv = await asyncio.to_thread(tool.command, job)
    readable = await asyncio.to_thread(_readable, job.binary)
    writable = job.report.parent if job.report else job.cache if tool.keeps else None
    if writable is None:
        readable.append(job.cache)
    ended = await box.run(
        argv,
        folder=job.root,
        readable=readable,
        cache=writable,
        env=_ENV,
        seconds=seconds,
        most=MOST,
    )
    if ended.why is not None:
        return [], ended.why
    if ended.code in tool.nothing:
        return [], _partly(tool, ended)
    if ended.code not in tool.fine:
        _log.warning("%s %s", tool.name, _ending(ended.code))
        return [], _ending(ended.code)
    try:
        output = await asyncio.to_thread(_report, job.report) if job.report else ended.output
        found = await asyncio.to_thread(read, output, tool.name, job.root, lines)
    except NoReport as error:
        return [], str(error)[:300]
    return _outside(found, frozenset(job.paths)), _partly(tool, ended)


def _outside(found: Sequence[Finding], paths: frozenset[str]) -> list[Finding]:
    """What is inside an archive (`a.zip!b/.env`) is said of the archive, as a whole; its fingerprint stays its own."""
    told = []
    for one in found:
        parts = one.path.split("!")
        cuts = ("!".join(parts[:at]) for at in range(len(parts) - 1, 0, -1))
        outer = next((cut for cut in cuts if cut in paths), None)
        if outer is not None and one.path not in paths:
            inner = hushed(plain(one.path[len(outer) + 1 :], 200))
            one = dataclasses.replace(
                one, path=outer, line=0, end_line=0, message=f"{one.message}, in {inner}"[:LONGEST]
            )
        told.append(one)
    return told


def _partly(tool: Tool, ended: Ended) -> str | None:
    return "could not read all files" if tool.partly and tool.partly.search(ended.errors) else None


def _ending(code: int | None) -> str:
    """How it ended, in words; a shell tells a signal by a code above 128.

    Never what it printed: there may be secrets in it."""
    number = -code if code is not None and code < 0 else (code or 0) - 128
    try:
        return f"was ended by {signal.Signals(number).name}"
    except ValueError:
        return f"ended with exit code {code}"


def _clear(paths: Sequence[str]) -> tuple[list[str], int]:
    """The names that every tool can be told, and how many others there are."""
    clear = []
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError:
            continue
        clear.append(path)
    return clear, len(paths) - len(clear)


def _batches(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """As many as one command line takes.  Each by name, never the folder: in one, tools leave out what they like."""
    batch: list[str] = []
    size = 0
    for path in paths:
        length = len(path.encode()) + 16
        if batch and size + length > _BATCH:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield tuple(batch)


def _readable(binary: Path) -> list[Path]:
    """What a program needs to be started: its folder, and what stands behind it."""
    real = binary.resolve()
    folders = [binary.parent, real.parent]
    with real.open("rb") as file:
        first = file.readline(400)
    if first.startswith(b"#!/"):  # a script: the interpreter, and all it brings
        words = os.fsdecode(first[2:]).split()
        named = shutil.which(words[1]) if words[0].endswith("/env") and len(words) > 1 else None
        interpreter = Path(named or words[0])
        folders += [interpreter.parent.parent, interpreter.resolve().parent.parent]
    folders += [each for each in real.parents if each.name == "node_modules"]  # a program of Node's reads all of them
    return [each for each in dict.fromkeys(folders) if each != Path("/")]  # /bin/sh brings the system, which is there


def _report(file: Path) -> bytes:
    """What a tool wrote: never what a link there leads to, nor a pipe that nobody fills.  Raises NoReport."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise NoReport("it wrote no report") from None
    seen = os.fstat(descriptor)
    if not stat.S_ISREG(seen.st_mode):
        os.close(descriptor)
        raise NoReport("what it wrote is no file")
    with os.fdopen(descriptor, "rb") as report:
        if seen.st_size > MOST:
            raise NoReport(too_much(MOST))
        return report.read(MOST)


def _version(binary: Path, words: tuple[str, ...]) -> str:
    """Asked once for each state of the file."""
    return _asked(binary, words, binary.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _asked(binary: Path, words: tuple[str, ...], _: int) -> str:
    done = subprocess.run(
        [binary, *words], capture_output=True, timeout=20, stdin=subprocess.DEVNULL, env={"LANG": "C.UTF-8"}
    )
    text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    numbers = (word.strip(",;:").removeprefix("v") for line in text.splitlines() for word in line.split())
    return next((word for word in numbers if word[:1].isdigit() and "." in word), "")[:40]


def _lines(root: Path) -> Callable[[str], Sequence[str]]:
    """The lines of files below `root`, and of no others."""

    @lru_cache(maxsize=256)
    def lines(path: str) -> Sequence[str]:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            return []
        try:
            file = (root / path).resolve()
            if not file.is_relative_to(root) or not file.is_file() or file.stat().st_size > _LARGEST:
                return []
            return file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    return lines
