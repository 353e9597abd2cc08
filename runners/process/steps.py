"""One command line of a project, run to its end: its output told as it comes, and nothing of it left running."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import dataclasses
import os
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path

from runners.base import BuildFailed, Limits, Log
from runners.base.failures import clean, locate
from runners.isolation import Group, Leader, end, environment, marks, spawn, to_end

_MOST = 8 * 1024 * 1024  # characters of one step that are told
_TAIL = 128 * 1024  # characters of its end that are looked at when it fails
_NICE = 10  # builds let what is being looked at go first


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """Where the steps of one build run."""

    home_id: str
    top: Path  # the tree, or what stands for it
    cwd: str  # relative to it
    folder: Path  # HOME and TMPDIR are made here; everything that stands in it belongs to the build
    path: str
    env: Mapping[str, str]
    limits: Limits


class StepFailed(Exception):
    """It ended with another code than 0."""

    def __init__(self, code: int, tail: str) -> None:
        super().__init__(code)
        self.code, self.tail = code, tail


async def step(name: str, command: str, box: Box, log: Log) -> None:
    """Run one step.  Raises BuildFailed."""
    try:
        await run(command, box, log)
    except StepFailed as failed:
        raise explain(name, command, failed, box) from None


def explain(name: str, command: str, failed: StepFailed, box: Box) -> BuildFailed:
    """What a person needs to know of a step that failed."""
    fault = locate(failed.tail, top=tops(box.top), cwd=box.cwd)
    told = f"{name} {ending(failed.code)}"
    if fault is None:
        return BuildFailed(f"{told}: {command[:120]}", step=name, hint="The end of the log says more.")
    return BuildFailed(f"{told}: {fault.message}", step=name, hint=fault.hint, path=fault.path, line=fault.line)


async def run(command: str, box: Box, log: Log) -> str:
    """Run a command line; the end of what it printed.  Raises StepFailed."""
    log.write(f"$ {command}\n")
    mark = f"{box.home_id}/build-{Leader.of(os.getpid())}-{uuid.uuid4().hex[:8]}"
    env = await asyncio.to_thread(environment, box.folder, mark, box.path, box.env)
    readable, writable = os.pipe()
    try:
        cwd = box.top / box.cwd
        child = spawn(command, cwd=cwd, env=env, limits=box.limits, output=writable, nice=_NICE)
    except BaseException:
        os.close(readable)
        raise
    finally:
        os.close(writable)
    output = asyncio.create_task(_tell(readable, log))
    try:
        code = await child.wait()
    finally:

        async def finish() -> str:
            await end(Group(mark, box.folder, child.leader), grace=0)
            await child.wait()
            return await output

        tail = await to_end(finish())
    if code:
        raise StepFailed(code, tail)
    return tail


def ending(code: int) -> str:
    """How a program ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"


def tops(folder: Path) -> tuple[str, ...]:
    """The names that programs may call a folder by."""
    return tuple(dict.fromkeys((str(folder.resolve()), str(folder.absolute()))))


def end_orphans(home_id: str) -> None:
    """End the builds of a former life of ours that was killed.  Blocks."""
    mine = f"{home_id}/build-"
    for pid, mark in marks().items():
        if mark.startswith(mine) and not Leader.parse(mark[len(mine) :].rpartition("-")[0]).lives():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


async def _tell(readable: int, log: Log) -> str:
    """Pass on whole lines until all writers are gone; the end of it all."""
    loop, stream = asyncio.get_running_loop(), asyncio.StreamReader()
    pipe = os.fdopen(readable, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest, tail, told = "", "", 0
    try:
        while chunk := await stream.read(64 * 1024):
            text, newline, after = (rest + decode(chunk)).rpartition("\n")
            rest = after[-_TAIL:]
            lines = clean(text) + newline
            tail = (tail + lines)[-_TAIL:]
            if lines and told < _MOST:
                log.write(lines if told + len(lines) < _MOST else lines[: _MOST - told] + "\n… more than is kept …\n")
                told += len(lines)
        if rest:
            log.write(clean(rest) + "\n")
        return tail + clean(rest)
    finally:
        transport.close()
