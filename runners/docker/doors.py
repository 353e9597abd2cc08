"""Where a program in a container can be reached: the port it was asked to use, or the one it really took."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path

from runners.base import StartFailed
from runners.docker.berths import Berth
from runners.docker.engine import Engine, address
from runners.health import Unhealthy, wait_healthy
from runners.ports import DEBUG_PORTS, Listener, parse_tcp_table

SETTLED = 0.2  # seconds another port must be open before it is believed: some open a lesser one first
_RESOLVER = "127.0.0.11"  # the engine's own name server listens there, inside the container
_NEAR, _FAR = 0.05, 0.25  # seconds between looks, when the kernel tells us and when the engine must be asked
_PYTHON = """
import asyncio, sys
here, port, there, to = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
async def copy(source, sink):
    try:
        while block := await source.read(65536):
            sink.write(block)
            await sink.drain()
        sink.write_eof()
    except OSError:
        sink.close()
async def accept(reader, writer):
    try:
        inner, outer = await asyncio.open_connection(there, to)
    except OSError:
        return writer.close()
    await asyncio.gather(copy(reader, outer), copy(inner, writer))
    writer.close(), outer.close()
async def main():
    await (await asyncio.start_server(accept, here, port)).serve_forever()
asyncio.run(main())
"""
_NODE = """
const net = require('net'), [here, port, there, to] = process.argv.slice(1);
net.createServer({allowHalfOpen: true}, (a) => {
  const b = net.connect({host: there, port: +to, allowHalfOpen: true});
  a.pipe(b); b.pipe(a);
  a.on('error', () => b.destroy()); b.on('error', () => a.destroy());
}).listen(+port, here);
"""
_INTERPRETERS = "command -v python3 || command -v node"
_FORWARD = (
    'if command -v python3 >/dev/null; then exec python3 -c "$1" "$3" "$4" "$5" "$6"; fi; '
    'if command -v node >/dev/null; then exec node -e "$2" "$3" "$4" "$5" "$6"; fi; exit 127'
)


class Doors:
    """Finds the way into one container."""

    def __init__(self, engine: Engine, berth: Berth, asked: int) -> None:
        self._engine, self._berth, self._asked = engine, berth, asked
        self._kernel: bool | None = None

    async def reach(self, health: str, seconds: float, alive: Callable[[], Awaitable[bool]]) -> tuple[str, int]:
        """Host and port where it answers healthily.  Raises Unhealthy, or StartFailed when it can't be reached."""
        door = (self._berth.host, self._berth.published or self._asked)
        as_asked = asyncio.ensure_future(self._answer(door, health, seconds, alive))
        elsewhere = asyncio.ensure_future(self._elsewhere(health, seconds, alive))
        waiting = {as_asked, elsewhere}
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    error = each.exception()
                    if error is None:
                        return each.result()
                    if isinstance(error, Unhealthy) and error.ended:  # the other would ask an address that is no more
                        raise error
            raise _worse(as_asked.exception(), elsewhere.exception())
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _answer(
        self, door: tuple[str, int], health: str, seconds: float, alive: Callable[[], Awaitable[bool]]
    ) -> tuple[str, int]:
        await wait_healthy(*door, health, deadline=seconds, alive=alive)
        return door

    async def _elsewhere(self, health: str, seconds: float, alive: Callable[[], Awaitable[bool]]) -> tuple[str, int]:
        clock = asyncio.get_running_loop().time
        begin = clock()
        found = await self._settle(begin + seconds, alive)
        left = begin + seconds - clock()
        if self._open(found) and not self._berth.published:
            return await self._answer((self._berth.host, found.port), health, left, alive)
        door = await self._forward(found)
        return await self._answer(door, health, left, alive)

    async def _settle(self, deadline: float, alive: Callable[[], Awaitable[bool]]) -> Listener:
        """Wait until something other than the port that was asked for has been listening for a moment."""
        clock = asyncio.get_running_loop().time
        seen: tuple[Listener | None, float] = (None, clock())
        while clock() < deadline:
            if not await alive():
                raise Unhealthy("it ended before it answered", ended=True)
            found = self._best(await self._listeners())
            if found != seen[0]:
                seen = (found, clock())
            if found and clock() - seen[1] >= SETTLED and not self._as_asked(found):
                return found
            await asyncio.sleep(_NEAR if self._kernel else _FAR)
        raise Unhealthy("nothing listened on any port")

    def _as_asked(self, found: Listener) -> bool:
        return found.port == self._asked and self._open(found)

    def _open(self, found: Listener) -> bool:
        return not ipaddress.ip_address(found.ip).is_loopback

    def _best(self, listeners: list[Listener]) -> Listener | None:
        def rank(each: Listener) -> tuple[bool, bool, bool, int]:
            return each.port != self._asked, not self._open(each), each.port in DEBUG_PORTS, each.port

        return min(listeners, key=rank, default=None)

    async def _listeners(self) -> list[Listener]:
        if self._kernel is None:
            self._kernel = await self._engine.thread(self._is_local)
        table = await self._engine.thread(self._read) if self._kernel else await self._ask()
        return [each for each in parse_tcp_table(table).values() if each.ip != _RESOLVER]

    def _is_local(self) -> bool:
        """Whether the engine's process numbers are ours too, and we may look."""
        try:
            return self._berth.container in Path(f"/proc/{self._berth.pid}/cgroup").read_text() and bool(self._read())
        except OSError:
            return False

    def _read(self) -> str:
        net = Path(f"/proc/{self._berth.pid}/net")
        try:
            return "".join((net / name).read_text() for name in ("tcp", "tcp6") if (net / name).exists())
        except OSError:  # it ended while we read
            return ""

    async def _ask(self) -> str:
        said = await self._exec(["cat", "/proc/net/tcp", "/proc/net/tcp6"], detach=False)
        return said.decode("ascii", "replace")

    async def _forward(self, found: Listener) -> tuple[str, int]:
        """Let a program that only talks to itself be reached on the container's own address."""
        port = self._asked if self._berth.published else found.port
        there = found.ip if not self._open(found) else "127.0.0.1"
        have = await self._exec(["/bin/sh", "-c", _INTERPRETERS], detach=False)
        if not have:
            raise StartFailed(
                f"it listens on {found.ip}, port {found.port}, where only itself can reach it",
                step="start",
                hint="Listen on 0.0.0.0.",
            )
        inspected = await self._engine.call("inspect_container", self._berth.container)
        words = [_PYTHON, _NODE, address(inspected), str(port), there, str(found.port)]
        await self._exec(["/bin/sh", "-c", _FORWARD, "forward", *words], detach=True)
        return self._berth.host, self._berth.published or port

    async def _exec(self, command: list[str], *, detach: bool) -> bytes:
        made = await self._engine.call("exec_create", self._berth.container, command)
        said = await self._engine.call("exec_start", made["Id"], detach=detach)
        return said if isinstance(said, bytes) else b""


def _worse(asked: BaseException | None, other: BaseException | None) -> BaseException:
    """Which of two failures says more."""
    told = [error for error in (asked, other) if error is not None]

    def silence(error: BaseException) -> tuple[bool, bool, bool]:
        ended, status = getattr(error, "ended", False), getattr(error, "status", None)
        return not ended, not isinstance(error, StartFailed), status is None

    return min(told, key=silence)
