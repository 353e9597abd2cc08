"""A whole house that can be cut off in the middle, and a GitHub that remembers what it showed and was asked.

Cut off: from that moment on nothing of that life reaches the database, GitHub or the machine any more, whatever its
tasks still try on their way out.  What was committed stays, instances go on, and the next life begins on the same file.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import httpx
from aiohttp import web
from aiohttp.typedefs import Handler
from sqlmodel import Session, col, func, select

from bot import app
from bot.github import GitHub
from bot.models import Delivery, PullRequest, Work
from bot.service import Service
from bot.settings import Settings
from bot.sources import Sources
from bot.store import Store, migrate
from bot.sweeper import Sweeper
from demo.github import DemoGitHub
from demo.github.hooks import HookDelivery, Hooks
from demo.github.records import Pull, Repo
from tests.house import MARKER, PRIVATE_KEY, SECRET, settings_for, unequipped
from tests.memory_runner import Machine, MemoryRunner

REPO = "acme/shop"
KEPT_BACK = ("issue_comment", "pull_request", "push")  # deliveries that may come late
_REVIEWS = re.compile(r"/pulls/(\d+)/reviews$")
_PERMISSION = re.compile(r"/collaborators/([^/]+)/permission$")


class Clock:
    """Runs like any other, and can be turned on."""

    def __init__(self) -> None:
        self._base, self._began = time.time(), time.monotonic()

    def __call__(self) -> float:
        return self._base + time.monotonic() - self._began

    def turn(self, seconds: float) -> None:
        self._base += seconds


@dataclass
class Pulse:
    """Whether a life still reaches the world.  Without it whatever it waits for is cancelled: nothing goes on."""

    beats: bool = True


class MortalStore(Store):
    pulse: Pulse

    async def write(self, *args: Any, **kwargs: Any) -> Any:
        if not self.pulse.beats:
            raise asyncio.CancelledError
        return await super().write(*args, **kwargs)

    def poke(self) -> None:
        """Whoever waits for something looks again: the clock was turned."""
        self._announce()


class MortalRunner(MemoryRunner):
    def __init__(self, machine: Machine, pulse: Pulse) -> None:
        super().__init__(machine)
        self.pulse = pulse

    async def reach(self) -> None:
        await super().reach()
        if not self.pulse.beats:
            raise asyncio.CancelledError


class MortalWire(httpx.AsyncHTTPTransport):
    def __init__(self, pulse: Pulse) -> None:
        super().__init__(verify=False)  # nothing here speaks TLS
        self.pulse = pulse

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.pulse.beats:
            raise asyncio.CancelledError
        return await super().handle_async_request(request)


class Post(Hooks):
    """GitHub's webhooks on their way: some wait until the test lets them go, in its order."""

    holding = False

    def __init__(self, old: Hooks) -> None:
        super().__init__(old.hub, old.secret, old.url)
        self.held: list[HookDelivery] = []
        self.arrived: dict[int, float] = {}  # comment -> when we first took it
        self._free: set[int] = set()

    async def _send(self, session: aiohttp.ClientSession, delivery: HookDelivery) -> None:
        if self.holding and delivery.event in KEPT_BACK and delivery.id not in self._free:
            self.held.append(delivery)
            delivery.status, delivery.status_code = "OK", 202
            return
        await super()._send(session, delivery)
        comment = delivery.payload.get("comment")
        if comment and delivery.action == "created" and delivery.status_code in (200, 202):
            self.arrived.setdefault(comment["id"], self.hub.now())

    def lose(self, delivery: HookDelivery) -> None:
        """One that was held back never arrives; GitHub lists it as failed."""
        self.held.remove(delivery)
        delivery.status, delivery.status_code = "failed to connect to host", 0

    def let_go(self, order: list[int]) -> None:
        """All that was held back, in this order."""
        waiting, self.held, self.holding = self.held, [], False
        ranked = sorted(enumerate(waiting), key=lambda one: order[one[0] % len(order)] if order else one[0])
        for _place, delivery in ranked:
            self._free.add(delivery.id)
            self._queue.put_nowait(delivery)


@dataclass(frozen=True)
class Shown:
    """The comment of a pull request showed this commit as live."""

    at: float
    number: int
    sha: str
    artifact: str


@dataclass(frozen=True)
class Judged:
    """We asked GitHub for the reviews: how it stood at that moment, as the test sees it."""

    at: float
    number: int
    head: str
    approved: bool


@dataclass
class Evidence:
    """What GitHub saw of us, written down by the test, not by us."""

    shown: list[Shown] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    roles: list[tuple[float, str, str]] = field(default_factory=list)  # when, login, role
    spoils: Callable[[web.Request], bool] = lambda _request: False  # what was done is answered with 500
    hands: dict[str, set[str]] = field(default_factory=dict)  # commit -> logins of who wrote it

    def approved(self, repo: Repo, pull: Pull) -> bool:
        """One approval at the head by somebody who may write and had no hand in it, and nobody against it."""
        last = {}
        for review in pull.reviews:
            if review.state != "COMMENTED":
                last[review.user.login] = review
        able = [one for one in last.values() if repo.may(one.user.login, "write")]
        involved = {pull.user.login, *self.hands.get(pull.head_sha, set())}
        good = [one for one in able if one.state == "APPROVED" and one.commit == pull.head_sha]
        against = any(one.state == "CHANGES_REQUESTED" for one in able)
        return not against and any(one.user.login not in involved for one in good)

    def watching(self, github: Callable[[], DemoGitHub]) -> Any:
        @web.middleware
        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if response.status < 300 or response.status == 304:
                self._note(github(), request)
            return web.Response(status=500) if self.spoils(request) else response

        return watch

    def _note(self, github: DemoGitHub, request: web.Request) -> None:
        if REPO not in request.path:
            return
        repo, now = github.hub.repo(REPO), github.hub.now()
        if request.method == "GET" and (found := _REVIEWS.search(request.path)):
            pull = repo.pulls[int(found[1])]
            self.judged.append(Judged(now, pull.number, pull.head_sha, self.approved(repo, pull)))
        elif request.method == "GET" and (found := _PERMISSION.search(request.path)):
            self.roles.append((now, found[1], repo.role(found[1])))
        elif request.method in ("POST", "PATCH") and "comments" in request.path:
            for one in repo.comments.values():
                twin = _twin(one.body) if one.by_app and one.updated_at > now - 1 else {}
                if twin.get("state") in ("live", "asleep") and "kind" not in twin:
                    self.shown.append(Shown(one.updated_at, one.number, twin["sha"], twin["artifact"]))


def _twin(body: str) -> dict[str, Any]:
    return dict(json.loads(body.split(MARKER, 1)[1].split(" -->", 1)[0])) if MARKER in body else {}


def passing(prefix: str) -> Path:
    """A folder that is gone with this process."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.cache
def blank() -> Path:
    """A database that has seen all migrations."""
    path = passing("slipway-model-") / "slipway.db"
    migrate(f"sqlite:///{path}")
    return path


@dataclass
class Lives:
    """The house: what is passed on from one life to the next, and the life there is."""

    github: DemoGitHub
    settings: Settings
    machine: Machine
    evidence: Evidence
    clock: Clock
    post: Post
    sources: Path  # mirrors and trees, which another house may have filled
    http: httpx.AsyncClient
    service: Service | None = None
    _pulse: Pulse = field(default_factory=Pulse)
    _life: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def store(self) -> MortalStore:
        assert self.service is not None
        assert isinstance(self.service.store, MortalStore)
        return self.service.store

    async def begin(self) -> None:
        pulse = self._pulse = Pulse()
        store = type("OneLife", (MortalStore,), {"pulse": pulse})

        async def runner(_settings: Settings) -> MortalRunner:
            return MortalRunner(self.machine, pulse)

        http = httpx.AsyncClient(transport=MortalWire(pulse), timeout=30)
        self._life = contextlib.AsyncExitStack()
        await self._life.enter_async_context(http)
        parts: dict[str, Any] = {
            "_runner": runner,
            "Store": store,
            "GitHub": lambda settings, clock: GitHub(settings, http, clock),
            "Sources": lambda _home, url, clock: Sources(self.sources, url, clock),
            "GRACE_SECONDS": 0.0,
            "migrate": lambda _url: None,
        }
        with patch.multiple(app, **parts):
            self.service = await self._life.enter_async_context(
                app.running(self.settings, clock=self.clock, equipment=unequipped)
            )

    async def end(self) -> None:
        await self._life.aclose()

    async def crash(self) -> None:
        """Nothing is said to anybody; then the next life."""
        self._pulse.beats = False
        await self._life.aclose()
        await self.begin()

    async def drained(self, seconds: float = 30.0) -> None:
        """Until nothing is due and everything is told; the clock goes on where somebody waits for it."""
        deadline, idle = time.monotonic() + seconds, 0
        while True:
            await self.github.settled()
            busy, untold = await self.store.read(_left, self.clock())
            if not busy and not untold:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{busy} deliveries and {untold} pull requests are left")
            idle = 0 if busy else idle + 1
            if idle > 2:
                await self.turn(1.6)
                idle = 0
            await asyncio.sleep(0.004)

    async def sweep(self) -> None:
        """The far round of the clock, now, and what follows from it."""
        assert self.service is not None
        runner = MortalRunner(self.machine, self._pulse)
        await Sweeper(self.settings, self.service, runner, self.clock).far()
        await self.drained()

    async def turn(self, seconds: float) -> None:
        self.clock.turn(seconds)
        self.store.poke()

    async def visit(self, host: str) -> httpx.Response:
        headers = {"Host": f"{host}:{self.settings.port}"}
        return await self.http.get(f"http://127.0.0.1:{self.settings.port}/", headers=headers)


def _left(session: Session, now: float) -> tuple[int, int]:
    due = (col(Delivery.state) == Work.RUNNING) | ((col(Delivery.state) == Work.QUEUED) & (col(Delivery.run_at) <= now))
    busy = session.exec(select(func.count()).select_from(Delivery).where(due)).one()
    untold = select(func.count()).select_from(PullRequest).where(col(PullRequest.told) < col(PullRequest.changes))
    return busy, session.exec(untold).one()


@contextlib.asynccontextmanager
async def lives(folder: Path, sources: Path) -> AsyncIterator[Lives]:
    """A house with an empty database; nothing has happened yet."""
    clock, evidence, machine = Clock(), Evidence(), Machine()
    made: list[DemoGitHub] = []
    github = DemoGitHub(
        folder / "github",
        webhook_secret=SECRET,
        clock=clock,
        middlewares=[evidence.watching(lambda: made[0])],
    )
    made.append(github)
    github.hooks = post = Post(github.hooks)
    async with github.serve(), httpx.AsyncClient(timeout=30, verify=False) as http:
        settings = settings_for(folder / "home", github.url, github_private_key=PRIVATE_KEY)
        settings.home.mkdir(parents=True)
        shutil.copy(blank(), settings.home / "slipway.db")
        one = Lives(github, settings, machine, evidence, clock, post, sources, http)
        await one.begin()
        post.url = f"http://127.0.0.1:{settings.port}/webhook"
        try:
            yield one
        finally:
            await one.end()
            await machine.end()


def pooled(bare: Path, pool: Path) -> None:
    """Objects of another repository, copied."""
    shutil.copytree(pool / "objects", bare / "objects", dirs_exist_ok=True)
