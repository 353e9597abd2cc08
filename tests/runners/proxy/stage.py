"""A proxy behind a real server, real instances behind the proxy, and clients in front; all on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from runners.base import Target
from runners.proxy import SERVER_OPTIONS, Proxy

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Front = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "pr-1--shop--acme.localhost"


class Stage:
    """What a test needs to play: start instances, point hostnames at them, ask."""

    def __init__(self, hold: float = 20.0) -> None:
        self.woken: list[tuple[str, Target]] = []
        self.now = 1000.0
        self.on_wake: Callable[[str, Target], Awaitable[None]] | None = None
        self.proxy = Proxy("localhost", wake=self._wake, clock=lambda: self.now, hold=hold)
        self._exits = contextlib.AsyncExitStack()
        self.port = 0

    async def _wake(self, host: str, target: Target) -> None:
        self.woken.append((host, target))
        if self.on_wake is not None:
            await self.on_wake(host, target)

    async def open(self) -> None:
        app = web.Application()

        @web.middleware
        async def front(request: web.Request, handler: Front) -> web.StreamResponse:
            if self.proxy.serves(request.host.rpartition(":")[0] or request.host):
                return await self.proxy.handle(request)
            return await handler(request)

        app.middlewares.append(front)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, **SERVER_OPTIONS)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self.client = aiohttp.ClientSession(
            f"http://127.0.0.1:{self.port}",
            headers={"Host": HOST},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0),
        )
        self._exits.push_async_callback(runner.cleanup)
        self._exits.push_async_callback(self.proxy.close)
        self._exits.push_async_callback(self.client.close)

    async def close(self) -> None:
        await self._exits.aclose()

    async def instance(self, handler: Handler, deployment: str = "d1", **options: Any) -> Target:
        """Start a server for `handler`; it stops with the test."""
        target, stop = await self.instance_to_stop(handler, deployment, **options)
        self._exits.push_async_callback(stop)
        return target

    async def instance_to_stop(
        self, handler: Handler, deployment: str, **options: Any
    ) -> tuple[Target, Callable[[], Awaitable[None]]]:
        runner = web.ServerRunner(web.Server(handler, access_log=None, **options), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        return Target("instance", deployment, host="127.0.0.1", port=port), runner.cleanup

    async def wire(self, talk: Talk, deployment: str = "d1") -> Target:
        """Start an instance that speaks bytes."""
        server = await asyncio.start_server(talk, "127.0.0.1", 0)

        async def stop() -> None:
            server.close()
            await server.wait_closed()

        self._exits.push_async_callback(stop)
        return Target("instance", deployment, host="127.0.0.1", port=server.sockets[0].getsockname()[1])

    async def show(self, handler: Handler, **options: Any) -> Target:
        """Start an instance and point HOST at it."""
        target = await self.instance(handler, **options)
        await self.proxy.point(HOST, target)
        return target

    async def raw(self, request: bytes) -> bytes:
        """Send these bytes; everything that came back until the server hung up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def get(self, path: str = "/", **options: Any) -> tuple[int, str]:
        async with self.client.get(path, **options) as answer:
            return answer.status, (await answer.read()).decode()


@contextlib.asynccontextmanager
async def staged(hold: float = 20.0) -> AsyncIterator[Stage]:
    stage = Stage(hold)
    await stage.open()
    try:
        yield stage
    finally:
        await stage.close()


async def gone_port() -> int:
    """A port that nobody listens on."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
