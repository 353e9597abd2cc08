"""The real thing: a GitHub in this process, `slipway serve` in one of its own, and the wire between them watched."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import shutil
import sqlite3
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.commands import PATIENCE, Failed, free_port, get, output, shows, until
from bot.messages import CHECK
from demo.github import DemoGitHub
from runners.base import Unavailable
from runners.choose import choose

SECRET = "only for the bench"
PERSON = "ann"
OWNER = "acme"
_LOG_END = 4000  # characters
_KEPT = ("SLIPWAY_CA_BUNDLE", "SLIPWAY_IMAGE_")
_FOREIGN = ("SLIPWAY_", "GITHUB_", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery on its way: when it left GitHub, by both clocks, and what it was about."""

    at: float  # perf_counter
    wall: float  # time.time
    guid: str
    sha: str = ""  # of a pull request's head; a comment does not say


class Wire:
    """Stands between GitHub and Slipway.

    A push makes several deliveries (push, check_suite, pull_request).  They are held until the last one is there and
    then leave together, so that nothing is done ahead of the moment from which we count.
    """

    def __init__(self, slipway: str) -> None:
        self._slipway = slipway
        self._held: list[tuple[dict[str, str], bytes]] = []
        self._next: asyncio.Future[Sent] | None = None
        self._awaited = ""
        self._sending: set[asyncio.Task[None]] = set()

    def next(self, event: str = "pull_request") -> asyncio.Future[Sent]:
        """The next delivery that asks for a preview, or (`issue_comment`) that a person's comment makes."""
        self._next, self._awaited = asyncio.get_running_loop().create_future(), event
        return self._next

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Its address, for as long as the block runs."""
        async with aiohttp.ClientSession() as session:

            async def take(request: web.Request) -> web.Response:
                body = await request.read()
                headers = {
                    key: value for key, value in request.headers.items() if key not in ("Host", "Content-Length")
                }
                self._held.append((headers, body))
                if request.headers.get("X-GitHub-Event") not in ("push", "create", "check_suite"):
                    self._release(session)
                return web.Response(status=202)

            app = web.Application(client_max_size=32 * 1024 * 1024)
            app.add_routes([web.post("/webhook", take)])
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
            finally:
                await runner.cleanup()
                await asyncio.gather(*self._sending)

    def _release(self, session: aiohttp.ClientSession) -> None:
        held, self._held = self._held, []
        self._note(held[-1])
        for headers, body in held:
            task = asyncio.create_task(self._send(session, headers, body))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, session: aiohttp.ClientSession, headers: dict[str, str], body: bytes) -> None:
        with contextlib.suppress(aiohttp.ClientError):  # who waits for what it would have done says so
            async with session.post(self._slipway, data=body, headers=headers) as answer:
                await answer.read()

    def _note(self, last: tuple[dict[str, str], bytes]) -> None:
        headers, body = last
        if headers.get("X-GitHub-Event") != self._awaited or self._next is None or self._next.done():
            return
        payload, guid = json.loads(body), headers["X-GitHub-Delivery"]
        if self._awaited == "pull_request" and payload["action"] in ("opened", "synchronize"):
            self._next.set_result(Sent(time.perf_counter(), time.time(), guid, payload["pull_request"]["head"]["sha"]))
        elif self._awaited == "issue_comment" and payload["sender"]["type"] == "User":
            self._next.set_result(Sent(time.perf_counter(), time.time(), guid))


class Stage:
    """What a measurement holds."""

    def __init__(self, github: DemoGitHub, wire: Wire, folder: Path, port: int, runner: str) -> None:
        self.github, self.wire, self.folder, self.port, self.runner = github, wire, folder, port, runner

    async def project(self, name: str, files: Mapping[str, str | bytes]) -> str:
        """A new repository; its full name."""
        full = (await self.github.create_repository(OWNER, name, files, private=False)).full_name
        self.github.grant(full, PERSON, "write")
        return full

    def url(self, repo: str) -> str:
        """Where git finds it."""
        return f"{self.github.url}/{repo}.git"

    async def sees(self, host: str, text: str) -> float:
        """Poll a preview through our router; the moment it showed that."""
        return await shows(self.port, text, name=f"{host}.localhost:{self.port}")

    async def told(self, repo: str, sha: str) -> None:
        """Wait until GitHub was told that a commit is live: what follows finds a quiet house."""
        books = self.github.hub.repo(repo)

        async def look() -> bool:
            ended = [one.conclusion for one in books.checks.values() if one.suite.sha == sha and one.name == CHECK]
            live = [one.state for one in books.deployments.values() if one.sha == sha]
            return ended == ["success"] and live == ["success"]

        await until(look, f"GitHub to hear of {sha[:7]}", 0.05)

    async def gone(self, repo: str) -> None:
        """Close the pull requests, and wait until nothing of their previews is left."""
        books = self.github.hub.repo(repo)
        for pull in [one for one in books.pulls.values() if one.state == "open"]:
            await self.github.close_pull(repo, pull.number)

        async def look() -> bool:
            previews = [one for one in books.deployments.values() if one.environment == "preview"]
            return all(one.state == "inactive" for one in previews)

        await until(look, f"the previews of {repo} to be removed", 0.05)

    async def quiet(self) -> None:
        """Wait until slipway has nothing left to do now, nor to tell GitHub."""
        due = "select count(*) from delivery where state in ('queued', 'running') and run_at <= ?"
        untold = "select count(*) from pull_request where told < changes"

        async def look() -> bool:
            return self.rows(due, time.time()) == [(0,)] and self.rows(untold) == [(0,)]

        await until(look, "slipway to have nothing left to do", 0.05)

    def rows(self, query: str, *values: object) -> list[Any]:
        """Asked of slipway's own books, which are only read."""
        path = self.folder / "home" / "slipway.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
            return books.execute(query, values).fetchall()

    def steps(self, sent: Sent, seen: float) -> dict[str, float]:
        """Where the time of a deployment went, by its books: each step's name and seconds."""
        rows = self.rows("select timeline from deployment where sha = ? order by received_at", sent.sha)
        timeline = json.loads(rows[-1][0])
        marks = [(sent.wall, "")] + [(at, words.split()[0]) for at, words in timeline]
        marks.append((sent.wall + seen - sent.at, "answering"))
        return {f"→ {name}": at - before for (before, _), (at, name) in itertools.pairwise(marks)}

    async def accepted(self, count: int) -> list[float]:
        """Seconds from a signed delivery to its 202, one after another on one connection."""
        newest = [one for one in self.github.deliveries if one.event == "pull_request"][-1]
        took = []
        async with aiohttp.ClientSession() as session:
            for number in range(count + 1):
                headers, body = _signed(newest.payload | {"action": "labeled", "number": 1}, newest.headers)
                began = time.perf_counter()
                async with session.post(f"http://127.0.0.1:{self.port}/webhook", data=body, headers=headers) as answer:
                    await answer.read()
                took.append(time.perf_counter() - began)
                if answer.status != 202:
                    raise Failed(f"delivery {number} was answered {answer.status}")
        return took[1:]  # the first one opened the connection

    def log_end(self) -> str:
        """The end of what slipway said."""
        return _end_of(self.folder / "slipway.log")


def _signed(payload: Mapping[str, Any], like: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    body = json.dumps(payload).encode()
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {**like, "X-GitHub-Delivery": str(uuid.uuid4()), "X-Hub-Signature-256": f"sha256={mac}"}, body


@contextlib.asynccontextmanager
async def stage(folder: Path, runner: str) -> AsyncIterator[Stage]:
    """A house of its own, taken down again whatever happens.  Raises Failed with the end of slipway's log."""
    folder.mkdir(parents=True)
    private, public = _keys()
    port = free_port()
    github = DemoGitHub(folder / "github", webhook_secret=SECRET, public_key=public)
    github.user(PERSON)
    wire = Wire(f"http://127.0.0.1:{port}/webhook")
    async with github.serve(), wire.serve() as hook, _slipway(folder, port, github.url, private, runner):
        github.hook_url = hook
        one = Stage(github, wire, folder, port, runner)
        try:
            yield one
        except Failed as error:
            raise Failed(f"{error}\n--- the end of slipway's log ---\n{one.log_end()}") from error
        finally:
            await _close_all(one)


async def _close_all(one: Stage) -> None:
    with contextlib.suppress(Failed, TimeoutError):
        async with asyncio.timeout(60):
            for repo in [repo.full_name for repo in one.github.hub.repos.values()]:
                await one.gone(repo)


@contextlib.asynccontextmanager
async def _slipway(folder: Path, port: int, github: str, key: str, runner: str) -> AsyncIterator[None]:
    """`slipway serve` as its own process, as everybody runs it."""
    env = {name: value for name, value in os.environ.items() if name.startswith(_KEPT) or not name.startswith(_FOREIGN)}
    env |= {"PORT": str(port), "SLIPWAY_HOME": str(folder / "home"), "SLIPWAY_RUNNER": runner}
    env |= {"GITHUB_API_URL": github, "GITHUB_SERVER_URL": github, "GITHUB_APP_ID": "1"}
    env |= {"GITHUB_PRIVATE_KEY": key, "GITHUB_WEBHOOK_SECRET": SECRET}
    with (folder / "slipway.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", env=env, stdout=log, stderr=log, start_new_session=True
        )

    async def ready() -> bool:
        if process.returncode is not None:
            raise Failed(f"slipway serve ended: {_end_of(folder / 'slipway.log')}")
        return (await get(port))[0] != 0

    try:
        await until(ready, "slipway serve to answer", 0.05)
        yield
    finally:
        await _ended(process)
        await _stopped(folder / "home", runner)
        await asyncio.to_thread(_swept, folder / "home")


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _stopped(home: Path, kind: str) -> None:
    """Production outlives slipway by design; it must not outlive the bench."""
    if not (home / "id").exists():
        return
    with contextlib.suppress(Unavailable):
        runner = await choose("docker" if kind == "docker" else "process", home.absolute())
        try:
            for instance in await runner.instances():
                await runner.stop(instance)
        finally:
            await runner.close()


def _swept(home: Path) -> None:
    """Should slipway have left anything of this home: nobody would ever come back for it."""
    ident = home / "id"
    if not ident.exists() or not shutil.which("docker"):
        return
    mine = f"label=slipway.home={ident.read_text().strip()}"
    with contextlib.suppress(Failed):
        for kind, listing, removing in (("container", "ls -aq", "rm -fv"), ("network", "ls -q", "rm")):
            left = output("docker", kind, *listing.split(), "--filter", mine).split()
            if left:
                output("docker", kind, *removing.split(), *left)


def _keys() -> tuple[str, str]:
    """A private key for the app, and the public half for its GitHub."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_END:] if log.exists() else ""


__all__ = ["OWNER", "PATIENCE", "PERSON", "Sent", "Stage", "Wire", "stage"]
