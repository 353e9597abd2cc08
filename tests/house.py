"""The whole house for a test: a GitHub on this machine, Slipway beside it, each call judged by the contract kit."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot import app
from bot.builds.scan import Equipment
from bot.messages import CHECK
from bot.service import Service
from bot.settings import Settings
from demo.github import DemoGitHub
from demo.github.rest.ask import IDS, TOKEN
from runners.choose import choose
from tests.books import lay
from tests.contract import ROOT, contract_folder, load

T = TypeVar("T")
SECRET = "a secret for tests"
MARKER = "<!-- slipway:v1 "
PATIENT = 120.0  # seconds until what does not come is said to be missing: the machine may be busy with others
API = ("/repos/", "/orgs/", "/app", "/installation", "/graphql")
ASKED = (*API, "/advisories")  # all that goes to GitHub's API; the kit judges what it knows
PAGE = {"index.html": "<h1>hello</h1>"}
SERVER = {
    "Procfile": "web: python app.py hello\n",
    "app.py": """\
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[1].encode() + b" one")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
""",
}


def _key() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PRIVATE_KEY, PUBLIC_KEY = _key()


class Judge:
    """The contract kit beside our GitHub: it sees every REST call, and both agree on the ids of what is made."""

    def __init__(self) -> None:
        permissions = yaml.safe_load((ROOT / "app.yml").read_text())["default_permissions"]
        log = os.environ.get("SLIPWAY_CONTRACT_LOG")
        self.contract = load().Contract(
            app_id="1", public_key=PUBLIC_KEY, app_permissions=permissions, enforce=False, log=log
        )

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(API):
            body = await request.read()
            status, _headers, answer = self.contract.handle(request.method, request.raw_path, request.headers, body)
            made = json.loads(answer) if answer and request.method == "POST" and status == 201 else {}
            if isinstance(made, dict) and isinstance(made.get("id"), int):
                request[IDS] = itertools.chain([made["id"]], itertools.count(900_000_000))
            if isinstance(made, dict) and "token" in made:
                request[TOKEN] = made["token"]
        return await handler(request)


SAID = web.RequestKey("said", bytes)  # a request's body, for `Trouble`
HANG_UP = 444  # as a status of `Trouble.instead`: no answer at all


class Trouble:
    """What goes wrong between us and GitHub's API; a test sets what it wants to happen."""

    def __init__(self) -> None:
        self.instead: Callable[[web.Request], web.Response | None] = lambda _request: None
        self.lost: Callable[[web.Request], bool] = lambda _request: False
        self.delay: Callable[[web.Request], float] = lambda _request: 0.0  # seconds

    def lose(self, method: str, ending: str, times: int = 1, about: bytes = b"") -> Callable[[], int]:
        """GitHub does what these calls ask for and its answer never arrives.  How many were lost is what it returns.

        `about`: only calls whose body has these bytes."""
        left = itertools.count(times, -1)
        gone = 0

        def lost(request: web.Request) -> bool:
            nonlocal gone
            meant = request.method == method and request.path.endswith(ending) and about in request[SAID]
            if not meant or next(left) <= 0:
                return False
            gone += 1
            return True

        self.lost = lost
        return lambda: gone

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Outermost, so that neither GitHub nor the judge of its traffic knows."""
        if not request.path.startswith(ASKED):
            return await handler(request)
        request[SAID] = await request.read()
        await asyncio.sleep(self.delay(request))
        answer: web.StreamResponse | None = self.instead(request)
        if answer is None:
            answer = await handler(request)
        if answer.status == HANG_UP or self.lost(request):
            assert request.transport is not None
            request.transport.abort()
        return answer


async def unequipped(_settings: Settings) -> None:
    """Changes are not scanned: most tests are about something else."""


@dataclass
class House:
    """What a test holds."""

    github: DemoGitHub
    settings: Settings
    http: httpx.AsyncClient
    judge: Judge | None
    trouble: Trouble
    service: Service | None = None
    repo: str = "acme/shop"
    equipment: Callable[[Settings], Awaitable[Equipment | None]] = unequipped
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self, *, apart: bool = False) -> None:
        """`apart`: web and worker over one database file, as the Procfile has them."""
        if apart:
            await self._stack.enter_async_context(app.running(self.settings, worker=False, equipment=self.equipment))
        self.service = await self._stack.enter_async_context(
            app.running(self.settings, web=not apart, equipment=self.equipment)
        )

    async def stop(self) -> None:
        await self._stack.aclose()
        self._stack, self.service = contextlib.AsyncExitStack(), None

    async def propose(self, files: dict[str, str], branch: str = "change", user: str = "ann", **words: Any) -> int:
        """A branch with these files and a pull request for it."""
        await self.github.branch_commit(self.repo, branch, files, "Change it", author=user)
        return await self.github.open_pull(self.repo, branch, "main", "A change", words.pop("body", ""), user, **words)

    async def push(self, files: dict[str, str], branch: str = "change", user: str = "ann") -> str:
        return await self.github.branch_commit(self.repo, branch, files, "Change it again", author=user)

    def host(self, number: int) -> str:
        owner, name = self.repo.split("/")
        return f"pr-{number}--{name}--{owner}.localhost"

    async def visit(self, host: str, path: str = "/", **words: Any) -> httpx.Response:
        """A request as a browser would send it to that preview."""
        headers = {"Host": f"{host}:{self.settings.port}", **words.pop("headers", {})}
        url = f"http://127.0.0.1:{self.settings.port}{path}"
        return await self.http.request(words.pop("method", "GET"), url, headers=headers, **words)

    async def shows(self, host: str, text: str, seconds: float = PATIENT) -> httpx.Response:
        """Wait until a preview answers 200 with that text."""

        async def looked() -> httpx.Response | None:
            answer = await self.visit(host)
            return answer if answer.status_code == 200 and text in answer.text else None

        return await eventually(looked, seconds)

    def comments(self, number: int) -> list[str]:
        """Bodies of the app's own comments."""
        every = self.github.hub.repo(self.repo).comments.values()
        return [one.body for one in every if one.number == number and one.by_app]

    async def says(self, number: int, *words: str, seconds: float = PATIENT) -> str:
        """Wait until the sticky comment has all these words."""

        async def looked() -> str | None:
            bodies = self.comments(number)
            return bodies[0] if bodies and all(word in bodies[0] for word in words) else None

        return await eventually(looked, seconds)

    def twin(self, number: int) -> dict[str, Any]:
        """The machine-readable half of the sticky comment."""
        (body,) = self.comments(number)
        raw = body.split(MARKER, 1)[1].split(" -->", 1)[0]
        return dict(json.loads(raw))

    def checks(self, sha: str, name: str | None = CHECK) -> list[Any]:
        """Check runs of this name at a commit, oldest first; None: whatever their name."""
        every = self.github.hub.repo(self.repo).checks.values()
        here = [one for one in every if one.suite.sha == sha and name in (None, one.name)]
        return sorted(here, key=lambda one: one.id)

    def remote(self, sha: str | None = None) -> list[Any]:
        """GitHub's Deployments, oldest first."""
        repo = self.github.hub.repo(self.repo)
        return sorted((one for one in repo.deployments.values() if sha in (None, one.sha)), key=lambda one: one.id)


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = PATIENT) -> T:
    """The first answer that is not None.  Polling stands in for a person who reloads."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{look.__qualname__} saw nothing in {seconds} s")
        await asyncio.sleep(0.02)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def settings_for(home: Path, github: str, **more: Any) -> Settings:
    """Settings of a house of its own."""
    values = {
        "port": free_port(),
        "SLIPWAY_HOME": home,
        "SLIPWAY_RUNNER": "process",
        "github_app_id": "1",
        "github_private_key": PRIVATE_KEY,
        "github_webhook_secret": SECRET,
        "github_api_url": github,
        "github_server_url": github,
        **more,
    }
    return Settings(**values)


@contextlib.contextmanager
def judged() -> Iterator[Judge | None]:
    """A judge where the kit is; what it found is raised at the end."""
    judge = Judge() if contract_folder() else None
    yield judge
    if judge is not None:
        judge.contract.assert_clean()


@contextlib.asynccontextmanager
async def stage(folder: Path, **more: Any) -> AsyncIterator[House]:
    """A GitHub with one repository, `acme/shop`, that serves one page; Slipway is not started yet."""
    trouble = Trouble()
    with judged() as judge:
        github = DemoGitHub(
            folder / "github",
            webhook_secret=SECRET,
            public_key=PUBLIC_KEY,
            middlewares=[trouble.watch, *([judge.watch] if judge else [])],
        )
        async with github.serve(), httpx.AsyncClient(timeout=30, verify=False) as http:
            settings = settings_for(folder / "home", github.url, **more)
            if settings.database_url is None:
                lay(settings.home / "slipway.db")
            await github.create_repository("acme", "shop", PAGE)
            for person in ("ann", "bob"):
                github.user(person)
                github.grant("acme/shop", person, "write")
            github.hook_url = f"http://127.0.0.1:{settings.port}/webhook"
            try:
                yield House(github, settings, http, judge, trouble)
            finally:
                await _end_all(settings)


async def _end_all(settings: Settings) -> None:
    """Previews outlive the service by design; they must not outlive the test."""
    runner = await choose(settings.runner, settings.home.absolute())
    for instance in await runner.instances():
        await runner.stop(instance)
    await runner.close()


@contextlib.asynccontextmanager
async def house(folder: Path, **more: Any) -> AsyncIterator[House]:
    """A house with one repository, `acme/shop`, that serves one page; nothing has happened yet."""
    async with stage(folder, **more) as one:
        await one.start()
        try:
            yield one
        finally:
            await one.stop()
