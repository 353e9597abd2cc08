"""A GitHub client of ours on a wire that a test holds the other end of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.github import GitHub, Repository
from bot.settings import Settings

API = "https://api.github.com"
APP_ID = 4711
SHA = "ce587453ced02b1526dfb4cb910479d431683101"

Answer = Callable[[httpx.Request], httpx.Response]


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def private_pem() -> str:
    form = serialization.PrivateFormat.PKCS8
    return key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@cache
def public_pem() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key().public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def settings(api_url: str = API, app_id: str = str(APP_ID)) -> Settings:
    fields: dict[str, Any] = {
        "SLIPWAY_HOME": Path(),
        "github_app_id": app_id,
        "github_private_key": private_pem(),
        "github_webhook_secret": "s",
        "github_api_url": api_url,
    }
    return Settings(**fields)


class Clock:
    """Time stands still unless somebody sleeps or the test moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Stand:
    """GitHub's end of the wire: tokens are given out, everything else is what the test says."""

    def __init__(self, answer: Answer | None = None, api_url: str = API) -> None:
        self.clock = Clock()
        self.requests: list[httpx.Request] = []
        self.minted: list[httpx.Request] = []
        self.answer: Answer = answer or (lambda request: httpx.Response(200, json={"id": 1}))
        self.token_life = 3600.0
        self._http = httpx.AsyncClient(transport=httpx.MockTransport(self._serve))
        self.github = GitHub(settings(api_url), self._http, clock=self.clock, sleep=self.clock.sleep)

    async def __aenter__(self) -> Stand:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.github.__aexit__(None, None, None)
        await self._http.aclose()

    @property
    def repository(self) -> Repository:
        return self.github.repository(7, 42, "acme/shop")

    def sent(self, host: str = "api.github.com") -> list[httpx.Request]:
        return [request for request in self.requests if request.url.host == host]

    def _serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/access_tokens"):
            self.minted.append(request)
            end = dt.datetime.fromtimestamp(self.clock() + self.token_life, dt.UTC).isoformat()
            return httpx.Response(201, json={"token": f"ghs_{len(self.minted)}", "expires_at": end})
        self.requests.append(request)
        return self.answer(request)


def in_turn(*answers: httpx.Response | Exception) -> Answer:
    """Each request gets the next answer; the last one for ever."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, Exception):
            raise one
        return one

    return answer
