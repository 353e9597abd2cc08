"""A GitHub that is served, an app that hears its webhooks, and a judge of both: GitHub's own schemas."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jsonschema import Draft202012Validator

from demo.github import DemoGitHub
from tests import contract

SECRET = "a secret of the tests"
NOW = 1_900_000_000.0
Json = dict[str, Any]
CONTRADICTORY = {"apps/list-installations"}  # its schema wants every account to be a user and an enterprise at once

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@cache
def kit() -> Any:
    """GitHub's description of its API, read once: it is large."""
    return contract.load().Contract() if contract.contract_folder() else None


@cache
def event_schemas() -> Json:
    folder = contract.contract_folder()
    path = folder / "webhooks" / "schemas.json" if folder else None
    return json.loads(path.read_text()) if path and path.is_file() else {"events": {}}


@cache
def event_validator(key: str) -> Draft202012Validator | None:
    told = event_schemas()["events"].get(key)
    if told is None:
        return None
    return Draft202012Validator({"$ref": told["schema"], "components": event_schemas()["components"]})


def errors(validator: Any, value: Any) -> list[str]:
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message[:300]}" for one in validator.iter_errors(value)]


class Judge:
    """Holds what we answer and send against GitHub's description of itself; silent where there is none."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    @web.middleware
    async def middleware(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if kit() and isinstance(response, web.Response) and 200 <= response.status < 300:
            self.check_answer(request.method, request.rel_url.raw_path.removeprefix("/api/v3"), response)
        return response

    def check_answer(self, method: str, path: str, response: web.Response) -> None:
        hit, _ = kit()._match(method, path)
        if hit is None or response.content_type != "application/json" or hit[0].id in CONTRADICTORY:
            return
        op = hit[0]
        told = op.responses.get(str(response.status))
        if told is None:
            self.wrong.append(f"{op.id} never answers {response.status}")
            return
        media = (told.get("content") or {}).get("application/json")
        if media and isinstance(response.body, bytes):
            answer = json.loads(response.body)
            self.wrong += [f"{op.id} {why}" for why in errors(kit().validator(media["schema"]), answer)]

    def check_webhook(self, event: str, payload: Json) -> None:
        key = f"{event}.{payload['action']}" if "action" in payload else event
        validator = event_validator(key)
        if validator is not None:
            self.wrong += [f"{key} {why}" for why in errors(validator, payload)]
        elif event_schemas()["events"]:
            self.wrong.append(f"GitHub knows no event {key}")


@dataclass
class Heard:
    """The app's side of the webhooks."""

    url: str = ""
    answer: int = 202
    events: list[tuple[str, Json]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [f"{event}.{body['action']}" if "action" in body else event for event, body in self.events]

    def last(self, name: str) -> Json:
        return next(body for key, (_, body) in zip(self.names[::-1], self.events[::-1], strict=True) if key == name)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.raw.append((dict(request.headers), body))
        self.events.append((request.headers["X-GitHub-Event"], json.loads(body)))
        return web.Response(status=self.answer, text="heard")


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    one = Heard()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/webhook", one.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    yield one
    await runner.cleanup()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
async def gh(tmp_path: Path, heard: Heard, clock: Clock, judge: Judge) -> AsyncIterator[DemoGitHub]:
    github = DemoGitHub(
        tmp_path / "github",
        webhook_secret=SECRET,
        public_key=PUBLIC,
        hook_url=heard.url,
        clock=clock,
        middlewares=[judge.middleware],
    )
    github.user("acme", type="Organization")
    async with github.serve() as served:
        yield served
        await served.settled()
    for event, payload in heard.events:
        judge.check_webhook(event, payload)
    assert judge.wrong == []


@dataclass
class World:
    """acme/shop with pull request 1 from the branch `change`, and the app's way in."""

    gh: DemoGitHub
    http: httpx.AsyncClient
    sha: str
    number: int = 1
    name: str = "acme/shop"

    @property
    def installation(self) -> int:
        return next(iter(self.gh.hub.installations))

    def jwt(self, **change: Any) -> str:
        claims = {"iat": int(self.gh.hub.now()) - 60, "exp": int(self.gh.hub.now()) + 540, "iss": "1", **change}
        return jwt.encode(claims, KEY, algorithm="RS256")

    async def as_app(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.jwt()}", **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def login(self, **narrow: Any) -> str:
        """Authorize further calls with a new installation token; returns it."""
        answer = await self.as_app("POST", f"/app/installations/{self.installation}/access_tokens", json=narrow)
        answer.raise_for_status()
        token: str = answer.json()["token"]
        self.http.headers["Authorization"] = f"token {token}"
        return token

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Below /repos/acme/shop."""
        return await self.http.request(method, f"/repos/{self.name}{path}", **more)


FILES: dict[str, str | bytes] = {"app.py": "print(1)\n", "web/index.html": "<h1>hello</h1>\n", "logo.png": b"\x89PNG\0"}


@pytest.fixture
async def world(gh: DemoGitHub) -> AsyncIterator[World]:
    await gh.create_repository("acme", "shop", FILES)
    sha = await gh.branch_commit("acme/shop", "change", {"app.py": "print(2)\n"}, "Say two", "ada")
    await gh.open_pull("acme/shop", "change", "main", "Say two", "It says *two* now.", "ada")
    async with httpx.AsyncClient(base_url=gh.url, verify=False) as http:
        one = World(gh, http, sha)
        await one.login()
        yield one


async def git(folder: Path, *args: str) -> str:
    """A person's own git, far from this machine's configuration."""

    def run() -> str:
        config = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
        names = {f"GIT_{who}_{what}": "ada" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        path = {"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin", "HOME": str(folder)}
        done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, env=config | names | path)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    return await asyncio.to_thread(run)


def address(gh: DemoGitHub, repo: str, token: str | None = None) -> str:
    """Where git finds a repository, with a token in the address as people do."""
    return f"{gh.url.replace('://', f'://x-access-token:{token}@') if token else gh.url}/{repo}.git"
