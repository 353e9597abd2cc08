"""GitHub's REST API, as far as we need it.

`GitHub` is the app; `Repository` one repository of an installation.  Both speak of numbers and plain JSON objects
and raise the errors of `bot.errors`.  No token leaves for a host other than the API's.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import httpx

from bot.github.api import Api, number_of
from bot.github.repository import PAGE, Repository
from bot.github.tokens import AppCredential, InstallationCredential, Tokens, scope_of
from bot.github.transport import Wire
from bot.settings import Settings

__all__ = ["GitHub", "Repository"]

TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds; GitHub itself gives up on a request after ten
KEEPALIVE = httpx.Limits(max_connections=20, keepalive_expiry=60.0)
METADATA = {"metadata": "read"}


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are believed; reading them takes longer than starting the rest of us."""
    return httpx.create_ssl_context()


class GitHub:
    """The app.  An asynchronous context manager; a client that is passed in is not closed."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._owned = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT, limits=KEEPALIVE, verify=_trusted())
        self._wire = Wire(self._http, settings.github_api_url, clock, sleep)
        credential = AppCredential(settings.github_app_id, lambda: settings.private_key, self._wire.now)
        self._app = Api(self._wire, credential)
        self._tokens = Tokens(self._app, self._wire.now)
        self._identity: dict[str, Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tokens.close()
        if self._owned:
            await self._http.aclose()

    def repository(self, installation_id: int, repository_id: int | str, full_name: str) -> Repository:
        """Nothing is asked yet.  `repository_id` may be the name where nobody knows the number."""

        def api(permissions: Mapping[str, str]) -> Api:
            return self._api(installation_id, repository_id, permissions)

        async def token(permissions: Mapping[str, str]) -> str:
            return await self._tokens.get(scope_of(installation_id, repository_id, permissions))

        return Repository(full_name, api, token, self.app_id, self._login)

    async def app(self) -> dict[str, Any]:
        """The app as GitHub knows it (`id`, `slug`, ...); asked once."""
        if self._identity is None:
            self._identity = await self._app.one("/app")
        return self._identity

    async def app_id(self) -> int:
        """The settings may hold the client id instead, which signs as well."""
        told = self._settings.github_app_id
        return int(told) if told.isdecimal() else number_of(await self.app())

    async def installations(self) -> list[dict[str, Any]]:
        return [one async for one in self._app.all("/app/installations{?per_page}", per_page=PAGE)]

    async def installation_repositories(self, installation_id: int) -> list[dict[str, Any]]:
        api = self._api(installation_id, None, METADATA)
        return [one async for one in api.all("/installation/repositories{?per_page}", "repositories", per_page=PAGE)]

    async def failed_deliveries(self, since: float) -> list[dict[str, Any]]:
        """Deliveries since then (Unix seconds) that we did not take, the last attempt of each GUID, newest first.

        GitHub keeps them for three days (GitHub Enterprise Server: seven) and never sends them again by itself.
        """
        failed: dict[str, dict[str, Any]] = {}
        url = "/app/hook/deliveries{?status,per_page}"
        async with aclosing(self._app.all(url, status="failure", per_page=PAGE)) as deliveries:
            async for one in deliveries:
                if _moment(one.get("delivered_at")) < since:
                    break
                if one.get("status") != "OK":
                    failed.setdefault(str(one.get("guid")), one)
        return list(failed.values())

    async def redeliver(self, delivery_id: int) -> None:
        """Ask GitHub to send a delivery again, under its old GUID."""
        await self._app.ask("/app/hook/deliveries/{id}/attempts", id=delivery_id)

    async def _login(self) -> str:
        return f"{(await self.app()).get('slug')}[bot]"

    def _api(self, installation: int, repository: int | str | None, permissions: Mapping[str, str]) -> Api:
        scope = scope_of(installation, repository, permissions)
        return Api(self._wire, InstallationCredential(self._tokens, scope))


def _moment(text: object) -> float:
    try:
        return dt.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")  # unknown: better looked at than missed
