"""The HTTP door: webhooks in, pages and metrics out, and the previews' own hosts handed to the proxy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from bot import telemetry
from bot.models import State, Work
from bot.settings import Settings
from bot.store import Store, rows
from bot.web.follow import follow_routes, note_activity, note_traffic, show_routes
from bot.web.pages import Pages
from bot.web.webhook import LIMIT, Webhook

__all__ = ["Proxy", "Ready", "application", "follow_routes", "note_activity", "note_traffic", "runner", "show_routes"]

_PATIENCE = 5.0  # seconds that the database and the runner have to say they are ready
_log = logging.getLogger(__name__)

Ready = Callable[[], Awaitable[list[str]]]
"""Says what is not ready, in words; nothing when all is."""


class Proxy(Protocol):
    """What serves the previews' hosts."""

    def serves(self, host: str) -> bool:
        """Whether that name (lower case, no port) is a preview's, also one that leads nowhere."""

    async def handle(self, request: web.Request) -> web.StreamResponse: ...


def application(settings: Settings, store: Store, *, proxy: Proxy, ready: Ready) -> web.Application:
    """Everything that answers on our port.  Run it with `runner`."""
    app = web.Application(client_max_size=LIMIT + 64 * 1024, middlewares=[_by_host(proxy, settings), _guarded])
    door = Webhook(store, settings.github_webhook_secret)
    pages = Pages(settings, store)
    health = _Health(store, ready)
    app.router.add_post("/webhook", door.receive)
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
    pages.add_to(app.router)
    app.on_cleanup.append(door.close)
    return app


def runner(app: web.Application, **options: Any) -> web.AppRunner:
    """What serves the application; `options` are what the proxy wants of aiohttp's server.

    Bodies stay as they came in any case: signatures are over raw bytes."""
    return web.AppRunner(app, **{**options, "auto_decompress": False}, access_log=None, shutdown_timeout=5.0)


async def close(runner: web.AppRunner) -> None:
    """Let nobody in any more, and hang up on all who are, also on who was let in at the last moment."""
    for site in runner.sites:
        await site.stop()
    for _ in range(3):  # turns of the loop until who was let in last is known
        await asyncio.sleep(0)
    await runner.cleanup()


def host_of(header: str) -> str:
    """The name in a Host header: lower case, without port and final dot."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a deployment's address is a key to its log
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _by_host(proxy: Proxy, settings: Settings) -> Middleware:
    own = urlsplit(settings.public_url).hostname  # ours also when it lies below the previews' domain

    @web.middleware
    async def by_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = host_of(request.headers.get("Host", ""))
        if host != own and proxy.serves(host):
            return await proxy.handle(request)
        return await handler(request)

    return by_host


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Our own answers, errors too, say how they may be used."""
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        answer.headers.update(_HEADERS)
        raise
    response.headers.update(_HEADERS)
    return response


class _Health:
    """Whether we live, whether we can work, how much we do."""

    def __init__(self, store: Store, ready: Ready) -> None:
        self._store, self._ready = store, ready

    async def alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def ready(self, _request: web.Request) -> web.Response:
        problems = [line for lines in await asyncio.gather(self._database(), self._backend()) for line in lines]
        body = {"ready": not problems, "problems": problems}
        return web.json_response(body, status=503 if problems else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """What this process counted, and what the database holds now."""
        work, deployments = await self._store.read(_counts)
        for waiting, number in work.items():
            telemetry.QUEUE.labels(waiting.value).set(number)
        for state, number in deployments.items():
            telemetry.DEPLOYMENTS.labels(state.value).set(number)
        return web.Response(body=generate_latest(telemetry.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _database(self) -> list[str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._store.write(rows.alive)
        except (SQLAlchemyError, RuntimeError, TimeoutError):
            _log.exception("the database can't be written")
            return ["The database can't be written; the log says why."]
        return []

    async def _backend(self) -> list[str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._ready()
        except TimeoutError:
            return [f"The runner has not answered for {_PATIENCE:.0f} seconds."]


def _counts(session: Session) -> tuple[dict[Work, int], dict[State, int]]:
    return rows.work_by_state(session), rows.deployments_by_state(session)
