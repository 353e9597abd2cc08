"""Registries that a test holds the other end of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx

from bot.scanners.dependencies import Indexes, Registries

NOW = 1_800_000_000.0
DAY = 86400.0
INDEXES = Indexes(pip=("https://python.example/simple",), npm="https://node.example")
Answer = Callable[[httpx.Request], httpx.Response]


def moment(days: float) -> str:
    """An upload so many days ago."""
    return dt.datetime.fromtimestamp(NOW - days * DAY, dt.UTC).isoformat()


class Shelf:
    """Names, their versions and how many days ago each came out (None: nobody says)."""

    def __init__(self, pip: dict[str, dict[str, float | None]], npm: dict[str, dict[str, float | None]]) -> None:
        self.packages = {"python.example": pip, "node.example": npm}
        self.asked: list[str] = []
        self.instead: Answer | None = None
        self.now = NOW

    def registries(self, indexes: Indexes = INDEXES, **more: Any) -> Registries:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return Registries(indexes, http, lambda: self.now, **more)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.raw_path.decode())
        if self.instead is not None:
            return self.instead(request)
        npm = request.url.host == "node.example"
        name = request.url.path.removeprefix("/" if npm else "/simple/").rstrip("/")
        versions = self.packages.get(request.url.host, {}).get(name)
        if versions is None:
            return httpx.Response(404)
        times = {version: moment(days) for version, days in versions.items() if days is not None}
        if npm:
            return httpx.Response(
                200, json={"name": name, "versions": {version: {} for version in versions}, "time": times}
            )
        files = [
            {"filename": f"{name.replace('-', '_')}-{version}.tar.gz"}
            | ({"upload-time": times[version]} if version in times else {})
            for version in versions
        ]
        headers = {"content-type": "application/vnd.pypi.simple.v1+json"}
        return httpx.Response(200, json={"name": name, "files": files}, headers=headers)
