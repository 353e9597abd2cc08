"""What the story stands on: a GitHub on this machine, `slipway serve` beside it, and somebody who looks and tells."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console
from rich.text import Text

from demo.github import DemoGitHub
from demo.github.records import Check
from runners.base import Unavailable
from runners.choose import choose

APPS = Path(__file__).parent / "apps"
SECRET = "only for this machine"  # noqa: S105
AGENT = ("Copilot", 198982749)
PATIENCE = 180.0  # seconds for one chapter: a first build fetches packages
T = TypeVar("T")


class NotAsTold(Exception):
    """The story went another way."""


@dataclasses.dataclass
class Teller:
    """Looks at what happens on the stage, and tells it."""

    github: DemoGitHub
    base: str
    http: httpx.AsyncClient
    console: Console

    async def told(self, repo: str, number: int, *words: str) -> None:
        async def look() -> bool | None:
            text = "\n".join(self.comment(repo, number))
            return True if all(word in text for word in words) else None

        await self.wait(look)

    async def concluded(self, repo: str, number: int, conclusion: str) -> None:
        """The preview of a head, in both places where GitHub tells of it."""
        await self.check(repo, number, "slipway/preview", conclusion)

        async def look() -> bool | None:
            sha = self.head(repo, number)
            states = [one.state for one in self.github.hub.repo(repo).deployments.values() if one.sha == sha]
            return True if states == [conclusion] else None

        await self.wait(look)

    async def check(self, repo: str, number: int, name: str, conclusion: str, *words: str) -> Check:
        """The newest run of a check at a head, once it concludes so with these words in its title."""

        async def look() -> Check | None:
            newest = self.checks(repo, number, name)[-1:]
            as_told = [one for one in newest if one.conclusion == conclusion]
            return next((one for one in as_told if all(word in str(one.title) for word in words)), None)

        return await self.wait(look)

    def checks(self, repo: str, number: int, name: str) -> list[Check]:
        """The runs of a check at a head, oldest first."""
        sha = self.head(repo, number)
        every = self.github.hub.repo(repo).checks.values()
        return sorted((one for one in every if one.suite.sha == sha and one.name == name), key=lambda one: one.id)

    async def command(self, home: Path, *words: str) -> list[str]:
        """What `slipway ...` prints on the demo's home.  Raises NotAsTold when it does not end in 0."""
        env = {"SLIPWAY_HOME": str(home), "COLUMNS": "160"}
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *words),
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await ran.communicate())[0].decode()
        if ran.returncode or not said.strip():
            raise NotAsTold(f"slipway {' '.join(words)}: {said}")
        return said.strip().splitlines()

    def head(self, repo: str, number: int) -> str:
        return self.github.hub.pull(repo, number).head_sha

    def comments(self, repo: str, number: int) -> list[str]:
        every = self.github.hub.repo(repo).comments.values()
        return [one.body for one in every if one.number == number and one.by_app]

    def comment(self, repo: str, number: int) -> list[str]:
        """The comment's lines, without the part for machines."""
        bodies = self.comments(repo, number)
        lines = bodies[0].split("-->", 1)[-1].splitlines() if bodies else []
        return [line.lstrip("# ") for line in lines if line.strip()]

    async def answers(self, host: str, text: str = "") -> httpx.Response | None:
        answer = await self.get(host)
        known = answer.status_code != 404 if not text else answer.status_code == 200 and text in answer.text
        return answer if known else None

    async def get(self, host: str) -> httpx.Response:
        # *.localhost is this machine for browsers; other programs may have to be told.
        return await self.http.get(f"http://127.0.0.1:{self.port}/", headers={"Host": f"{host}:{self.port}"})

    @property
    def port(self) -> str:
        return self.base.rsplit(":", 1)[1]

    @staticmethod
    def host(number: int, repo: str) -> str:
        owner, name = repo.split("/")
        return f"pr-{number}--{name}--{owner}.localhost"

    async def wait(self, look: Callable[[], Awaitable[T | None]]) -> T:
        async with asyncio.timeout(PATIENCE):
            while (found := await look()) is None:
                await asyncio.sleep(0.01)
            return found

    def title(self, words: str) -> None:
        self.console.print(f"\n[bold]{words}[/]")

    def say(self, what: str, shown: str, more: str) -> None:
        line = Text("  ✓ ", "green")
        line.append(f"{what:<26}", "default").append(shown, "bold cyan").append(f"  {more}" if more else "", "dim")
        self.console.print(line)


@contextlib.asynccontextmanager
async def stage(folder: Path, console: Console) -> AsyncIterator[Teller]:
    """A GitHub and Slipway beside it, for as long as the block runs."""
    private, public = _keys()
    github = DemoGitHub(folder / "github", webhook_secret=SECRET, public_key=public)
    async with github.serve(port=_free(8001)) as served, httpx.AsyncClient(timeout=30) as http:
        port = _free(8000)
        base = f"http://localhost:{port}"
        github.hook_url = f"http://127.0.0.1:{port}/webhook"
        try:
            async with _slipway(folder, port, served.url, private, http):
                await _people(github)
                try:
                    yield Teller(github, base, http, console)
                finally:
                    await _clear(github)
        finally:
            await _stop_all(folder / "home")


async def _people(github: DemoGitHub) -> None:
    github.user(AGENT[0], AGENT[1], "Bot")
    github.user("ann")
    github.user("mia")
    for name in ("flask-api", "static-page"):
        await github.create_repository("acme", name, APPS / name)
        for login in (AGENT[0], "ann"):
            github.grant(f"acme/{name}", login, "write")
        github.grant(f"acme/{name}", "mia", "maintain")


async def _clear(github: DemoGitHub) -> None:
    """Close what is open, so that nothing of the demo goes on running after it."""
    repos = list(github.hub.repos.values())
    for repo in repos:
        for pull in [one for one in repo.pulls.values() if one.state == "open"]:
            await github.close_pull(repo.full_name, pull.number)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while any(one.transient and one.state != "inactive" for repo in repos for one in repo.deployments.values()):
                await asyncio.sleep(0.05)


async def _stop_all(home: Path) -> None:
    """Production outlives Slipway by design; the demo's must not outlive the demo."""
    for kind in ("process", "docker"):
        with contextlib.suppress(Unavailable):
            runner = await choose(kind, home)
            for instance in await runner.instances():
                await runner.stop(instance)
            await runner.close()


@contextlib.asynccontextmanager
async def _slipway(folder: Path, port: int, github: str, key: str, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """`slipway serve` as its own process, as everybody runs it."""
    env = {**_plain(os.environ), "PORT": str(port), "HOST": "127.0.0.1", "SLIPWAY_HOME": str(folder / "home")}
    env |= {"GITHUB_API_URL": github, "GITHUB_SERVER_URL": github, "GITHUB_APP_ID": "1"}
    env |= {"GITHUB_PRIVATE_KEY": key, "GITHUB_WEBHOOK_SECRET": SECRET}
    with (folder / "slipway.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _ready(http, port):
                if process.returncode is not None:
                    raise NotAsTold(f"slipway serve ended: {(folder / 'slipway.log').read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings of a Slipway that may be configured here for real."""
    kept = ("SLIPWAY_RUNNER", "SLIPWAY_CA_BUNDLE", "SLIPWAY_IMAGE_")
    ours = ("SLIPWAY_", "GITHUB_", "DATABASE_URL")
    return {name: value for name, value in environ.items() if name.startswith(kept) or not name.startswith(ours)}


def _keys() -> tuple[str, str]:
    """A private key for the app, and the public half for its GitHub."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _free(wanted: int) -> int:
    """That port, or a free one when it is taken."""
    for number in (wanted, 0):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", number))
            return int(one.getsockname()[1])
    raise NotAsTold("there is no free port")


def ms(began: float) -> str:
    span = time.monotonic() - began
    return f"{span * 1000:.0f} ms" if span < 1 else f"{span:.1f} s"


def line_of(page: str, word: str) -> str:
    """The line of a page that has the word, as a person sees it."""
    line = next((line for line in page.splitlines() if word in line), "")
    return re.sub(r"<[^>]*>", "", line).strip()[:60]
