"""A container's output as it comes, and boxes that run to their end."""

from __future__ import annotations

import asyncio
import codecs
import threading
from typing import Any

from runners.base import Log, Unavailable
from runners.base.failures import clean
from runners.docker.box import Box
from runners.docker.engine import Engine, Refused
from runners.isolation import to_end

_LONGEST = 64 * 1024  # characters of one line: what is longer is told in pieces


class Quiet:
    """A log for what nobody reads."""

    def write(self, text: str) -> None:
        """Forget it."""


class Tail:
    """Passes on to a log and remembers the end."""

    def __init__(self, log: Log, size: int = 128 * 1024) -> None:
        self._log, self._size, self.text = log, size, ""

    def write(self, text: str) -> None:
        """Called from one thread."""
        self._log.write(text)
        self.text = (self.text + text)[-self._size :]


class Follow:
    """Copies a container's output into a log, from its begin until it ends or is left."""

    def __init__(self, engine: Engine, name: str, log: Log) -> None:
        self._engine, self._name, self._log = engine, name, log
        self._stream: Any = None
        self._left = threading.Event()
        self.ended = asyncio.ensure_future(engine.stream(self._copy))

    async def leave(self) -> None:
        """Stop copying; the container goes on."""
        self._left.set()
        if self._stream is not None and not self.ended.done():
            await self._engine.thread(self._close)
        await asyncio.wait([self.ended])

    def _copy(self) -> None:
        try:
            self._stream = self._engine.ask("logs", self._name, stdout=True, stderr=True, stream=True, follow=True)
        except Refused as refused:
            if refused.status == 404:  # removed before it was read
                return
            raise
        if self._left.is_set():
            self._close()
        try:
            self._tell()
        finally:
            self._stream._response.close()

    def _tell(self) -> None:
        """Pass on whole lines."""
        decode, rest = codecs.getincrementaldecoder("utf-8")("replace").decode, ""
        try:
            for chunk in self._stream:
                lines, newline, rest = (rest + decode(chunk)).rpartition("\n")
                if len(rest) > _LONGEST:
                    lines, newline, rest = lines + newline + rest, "\n", ""
                if newline:
                    self._log.write(clean(lines) + newline)
        except (OSError, ValueError):  # closed by `leave` while we read
            return
        rest = rest if self._left.is_set() else self._unended() or rest
        if rest:
            self._log.write(clean(rest) + "\n")

    def _unended(self) -> str:
        """A last line without its end: the engine keeps it, and often forgets to send it to who follows."""
        try:
            last = bytes(self._engine.ask("logs", self._name, tail=1))
        except Unavailable:  # removed meanwhile
            return ""
        return "" if last.endswith(b"\n") else last.decode("utf-8", "replace")

    def _close(self) -> None:
        try:
            self._stream.close()
        except (OSError, ValueError, AttributeError):  # it ended by itself at the same time
            return


async def run(engine: Engine, box: Box, log: Log) -> tuple[int, bool]:
    """Run a box to its end, its output going to the log: exit status, and whether it ran out of memory.

    The box is removed, however this ends."""
    try:
        await to_end(engine.create(box))
        await to_end(engine.start(box.name))
        await Follow(engine, box.name, log).ended
        status = int((await engine.call("wait", box.name, timeout=60))["StatusCode"])
        state = (await engine.call("inspect_container", box.name))["State"] if status else {}
        return status, bool(state.get("OOMKilled"))
    finally:
        await to_end(engine.remove(box.name))
