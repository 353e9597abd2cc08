"""Our HTTP door on a real socket, and senders that know the secret."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web as http

from bot import web
from bot.settings import Settings
from bot.store import Store
from runners.proxy import SERVER_OPTIONS, Proxy

SECRET = "a secret with ünicode"


def settings(home: Path, base_url: str = "http://localhost:8000") -> Settings:
    return Settings(  # type: ignore[call-arg]
        SLIPWAY_HOME=home, SLIPWAY_BASE_URL=base_url, github_webhook_secret=SECRET, github_app_id="1"
    )


def signature(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def headers(body: bytes, event: str = "push", guid: str = "g", **more: str) -> dict[str, str]:
    """What GitHub sends with a body; a value of "" leaves that header out."""
    fields = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": guid,
        "X-Hub-Signature-256": signature(body),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return {name: value for name, value in fields.items() if value}


def form(payload: str) -> bytes:
    return urlencode({"payload": payload}).encode()


@dataclass
class Door:
    """A client of the running application."""

    url: str
    port: int
    store: Store
    proxy: Proxy
    client: aiohttp.ClientSession
    problems: list[str]

    async def deliver(self, payload: Any, event: str = "push", guid: str = "g", **more: str) -> tuple[int, Any]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.post(body, headers(body, event, guid, **more))

    async def post(self, body: Any, fields: dict[str, str]) -> tuple[int, Any]:
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.client.post(f"{self.url}/webhook", data=data, headers=fields) as response:
            return response.status, await response.json()

    async def get(self, path: str, **fields: str) -> tuple[aiohttp.ClientResponse, str]:
        async with self.client.get(f"{self.url}{path}", headers=fields, allow_redirects=False) as response:
            return response, await response.text()


@asynccontextmanager
async def opened(store: Store, home: Path, **how: str) -> AsyncIterator[Door]:
    """The application, listening."""
    problems: list[str] = []

    async def ready() -> list[str]:
        return problems

    proxy = Proxy("localhost", wake=_no_wake)
    app = web.application(settings(home, **how), store, proxy=proxy, ready=ready)
    runner = web.runner(app, **SERVER_OPTIONS)
    await runner.setup()
    site = http.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as client:
        yield Door(f"http://127.0.0.1:{port}", port, store, proxy, client, problems)
    await runner.cleanup()
    await proxy.close()


async def _no_wake(_host: str, _target: object) -> None:
    return
