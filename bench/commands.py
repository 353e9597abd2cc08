"""Commands of others, run to their end in bounded time, and answers over HTTP, polled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

PATIENCE = 180.0  # seconds for any one wait: a first install fetches packages
TICK = 0.005  # seconds between two polls, and
SHARE = 0.01  # of the time waited so far, when that is more: what is polled, and polling, need the processor too


class Failed(Exception):
    """A command of the bench, or a wait, did not end well."""


def output(*command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What it printed.  Blocks.  Raises Failed."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            start_new_session=True,  # Ctrl-C is for us: a docker build that it ends leaves layers that nobody finds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{command[0]}: {error}") from error
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command[:3]))}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


async def ran(*command: str | Path, folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """As `output`, beside other work.  Cancelled, it waits for its end: what it makes can be removed only then."""
    work = asyncio.ensure_future(asyncio.to_thread(output, *command, folder=folder, env=env))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # of no interest any more
        raise


async def get(port: int, *, host: str = "127.0.0.1", name: str = "localhost") -> tuple[int, bytes]:
    """One GET of /, on a connection of its own: status and what follows the headers; (0, b"") when nobody answers."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                whole = await reader.read(-1)
            finally:
                writer.transport.abort()
    except (OSError, asyncio.IncompleteReadError):
        return 0, b""
    head, _, body = whole.partition(b"\r\n\r\n")
    parts = head.split(b" ", 2)
    return (int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0), body


async def shows(port: int, text: str, *, host: str = "127.0.0.1", name: str = "localhost") -> float:
    """Poll until it answers 200 with that text; the moment it did (perf_counter).  Raises Failed."""
    wanted = text.encode()

    async def look() -> bool | None:
        status, body = await get(port, host=host, name=name)
        return True if status == 200 and wanted in body else None

    await until(look, f"{name} ({host}:{port}) to show {text!r}")
    return time.perf_counter()


async def until(look: Callable[[], Awaitable[bool | None]], what: str, tick: float = TICK) -> None:
    """Look again and again.  Raises Failed."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            while not await look():
                await asyncio.sleep(max(tick, SHARE * (time.perf_counter() - began)))
    except TimeoutError as error:
        raise Failed(f"waited {PATIENCE:.0f} s for {what}") from error


def free_port() -> int:
    """A port of this machine that nothing uses at this moment."""
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
