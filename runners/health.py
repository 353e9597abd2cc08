"""Is it up?  HTTP probes without a client: a connection, one GET, the status line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

LONGEST = 5.0  # seconds one probe may take while waiting: a server that binds early answers when its app is loaded
_STATUS_LINE = 64 * 1024  # bytes read at most until the first line ends


class Unhealthy(Exception):
    """It did not answer well in time, or ended.  `status` is the last HTTP status, None when nothing answered."""

    def __init__(self, message: str, *, status: int | None = None, ended: bool = False) -> None:
        super().__init__(message)
        self.status, self.ended = status, ended


async def probe(host: str, port: int, path: str = "/", timeout: float = 2.0) -> int | None:
    """The status of one GET; None when nothing listens, speaks HTTP or answers within `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await _get(host, port, path)
    except (OSError, ValueError, asyncio.IncompleteReadError):
        return None


async def healthy(host: str, port: int, path: str = "/", timeout: float = 2.0) -> bool:
    """One probe, answered below 500."""
    status = await probe(host, port, path, timeout)
    return status is not None and status < 500


async def wait_healthy(
    host: str,
    port: int,
    path: str,
    *,
    deadline: float,
    alive: Callable[[], Awaitable[bool]],
    interval: float = 0.01,
) -> float:
    """Probe until the answer is below 500; the seconds that took.

    `deadline` is seconds from now.  `alive` is asked between probes: False ends the wait at once.
    Raises Unhealthy, which tells "answered 503" from "nothing listened"."""
    clock = asyncio.get_running_loop().time
    begin, last = clock(), None
    while True:
        left = begin + deadline - clock()
        if left <= 0:
            raise Unhealthy(_late(path, port, last, deadline), status=last)
        status = await probe(host, port, path, min(LONGEST, left))
        if status is not None and status < 500:
            return clock() - begin
        last = status or last
        if not await alive():
            raise Unhealthy("it ended before it answered", status=last, ended=True)
        await asyncio.sleep(min(interval, left))


def _late(path: str, port: int, status: int | None, seconds: float) -> str:
    if status is not None:
        return f"{path} on port {port} answered {status} for {seconds:g} s"
    return f"nothing answered HTTP on port {port} within {seconds:g} s"


async def _get(host: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(host, port, limit=_STATUS_LINE)
    try:
        name = f"[{host}]" if ":" in host else host
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nUser-Agent: slipway-health\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        version, status, *_ = (await reader.readuntil(b"\n")).split(None, 2)
        if not version.startswith(b"HTTP/"):
            raise ValueError("no HTTP")
        return int(status)
    except asyncio.LimitOverrunError as error:
        raise ValueError("no HTTP") from error
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
