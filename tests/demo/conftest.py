"""A GitHub that is served, an app that hears its webhooks, and a judge of both: GitHub's own schemas."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.github import DemoGitHub
from tests import contract

SECRET = "a secret of the tests"
NOW = 1_900_000_000.0
Json = dict[str, Any]
CONTRADICTORY = {"apps/list-installations"}  # its schema wants every account to be a user and an enterprise at once

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Judge:
    """Holds what we answer and send against GitHub's description of itself; silent where there is none."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.seen: set[str] = set()
        self._kit: Any = contract.load().Contract() if contract.contract_folder() else None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if self._kit and isinstance(response, web.Response) and 200 <= response.status < 300:
            self.check_answer(request.method, request.rel_url.raw_path.removeprefix("/api/v3"), response)
        return response

    def check_answer(self, method: str, path: str, response: web.Response) -> None:
        hit, _ = self._kit._match(method, path)
        if hit is None or response.content_type != "application/json":
            return
        op = hit[0]
        self.seen.add(op.id)
        if op.id in CONTRADICTORY:
            return
        told = op.responses.get(str(response.status))
        if told is None:
            self.wrong.append(f"{op.id} never answers {response.status}")
            return
        media = (told.get("content") or {}).get("application/json")
        if media and isinstance(response.body, bytes):
            answer = json.loads(response.body)
            for error in self._kit.validator(media["schema"]).iter_errors(answer):
                at = "/".join(map(str, error.absolute_path))
                self.wrong.append(f"{op.id} {at}: {error.message[:300]}")

    def check_webhook(self, event: str, payload: Json) -> None:
        player = _player()
        if player is not None:
            self.wrong += [f"{event}.{payload.get('action')} {why}" for why in player.validate(event, payload)]


def _player() -> ModuleType | None:
    folder = contract.contract_folder()
    if folder is None or not (folder / "webhook_player.py").is_file():
        return None
    spec = importlib.util.spec_from_file_location("webhook_player", folder / "webhook_player.py")
    assert spec is not None and spec.loader is not None
    if not hasattr(_player, "module"):
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _player.module = module  # type: ignore[attr-defined]
    loaded: ModuleType = _player.module  # type: ignore[attr-defined]
    return loaded


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
        return jwt.encode(claims, PRIVATE, algorithm="RS256")

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
    async with httpx.AsyncClient(base_url=gh.url) as http:
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
