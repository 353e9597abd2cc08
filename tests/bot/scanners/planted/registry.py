"""The registries and the public advisories as they stand on the day of the planted set, answered on this machine."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx
from aiohttp import web

from bot.github.advisories import advisories_of
from bot.scanners.dependencies import Advisories, Advisory, Indexes

NOW = 1_795_435_200.0
DAY = 86400.0
# name: its version, and how many days ago it came out.  What is not here nobody has ever published.
PIP: Mapping[str, tuple[str, float]] = {
    "defusedxml": ("0.7.1", 2000),
    "flask": ("3.1.1", 500),
    "gunicorn": ("23.0.0", 800),
    "jinja2": ("2.4.1", 5000),
    "pyyaml": ("6.0.2", 800),
    "reqeusts": ("2.32.4", 400),
    "requests": ("2.32.4", 500),
    "tidewatch": ("9.0.0", 3),
}
NPM: Mapping[str, tuple[str, float]] = {
    "cookie-session": ("2.1.1", 300),
    "evil-anchor": ("1.0.1", 100),
    "express": ("5.1.0", 500),
    "express-rate-limit": ("8.1.0", 200),
    "helmet": ("8.1.0", 500),
    "jsonwebtoken": ("9.0.2", 1000),
    "left-tide": ("3.0.0", 2),
    "lodahs": ("4.17.21", 900),
    "minimist": ("0.0.8", 4000),
    "pg": ("8.16.3", 200),
}


def _known(number: int, ecosystem: str, name: str, bad: str, score: float, kind: str = "reviewed") -> dict[str, object]:
    ident = f"GHSA-{number:04}-{number:04}-{number:04}"
    package = {"ecosystem": ecosystem, "name": name}
    return {
        "ghsa_id": ident,
        "type": kind,
        "summary": f"{name} does what it should not",
        "severity": "critical" if score >= 9 else "high",
        "html_url": f"https://github.com/advisories/{ident}",
        "withdrawn_at": None,
        "cvss": {"score": score, "vector_string": None},
        "vulnerabilities": [{"package": package, "vulnerable_version_range": bad, "first_patched_version": None}],
    }


ADVISORIES = (
    _known(2, "pip", "jinja2", "< 2.11.3", 7.5),
    _known(3, "npm", "minimist", "< 0.2.4", 9.8),
    _known(4, "npm", "evil-anchor", ">= 0", 10.0, "malware"),
    _known(5, "pip", "flask", "< 2.2.5", 7.5),  # an older one than ours
)


@asynccontextmanager
async def serve() -> AsyncIterator[tuple[Indexes, Advisories]]:
    """Where to ask, for as long as the block runs."""
    app = web.Application()
    app.add_routes([web.get("/simple/{name}/", _simple), web.get("/npm/{name}", _npm), web.get("/advisories", _bad)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with httpx.AsyncClient() as http:

            async def advisories(ecosystem: str, packages: Sequence[str]) -> list[Advisory]:
                said = []
                for kind in ("reviewed", "malware"):
                    asked = {"ecosystem": ecosystem, "affects": ",".join(packages), "type": kind}
                    said += (await http.get(f"{base}/advisories", params=asked)).json()
                return [one for raw in said for one in advisories_of(raw)]

            yield Indexes((f"{base}/simple",), f"{base}/npm"), advisories
    finally:
        await runner.cleanup()


def _moment(days: float) -> str:
    return dt.datetime.fromtimestamp(NOW - days * DAY, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


async def _simple(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in PIP:
        raise web.HTTPNotFound
    version, days = PIP[name]
    file = f"{name}-{version}.tar.gz"
    files = [{"filename": file, "url": f"../{file}", "hashes": {}, "upload-time": _moment(days)}]
    page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [version], "files": files}
    return web.Response(text=json.dumps(page), content_type="application/vnd.pypi.simple.v1+json")


async def _npm(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in NPM:
        raise web.HTTPNotFound
    version, days = NPM[name]
    times = {"created": _moment(days), "modified": _moment(days), version: _moment(days)}
    return web.json_response({"name": name, "versions": {version: {"name": name}}, "time": times})


async def _bad(request: web.Request) -> web.Response:
    """As GitHub does: by the names that are asked for; which versions it is about stands in the answer."""
    names = {one.rpartition("@")[0] for one in request.query["affects"].split(",")}
    wanted = (request.query["type"], request.query["ecosystem"])
    found = []
    for one in ADVISORIES:
        package = one["vulnerabilities"][0]["package"]  # type: ignore[index]
        if (one["type"], package["ecosystem"]) == wanted and package["name"] in names:
            found.append(one)
    return web.json_response(found)
