"""The story that `slipway demo` tells: a GitHub on this machine, Slipway beside it, an agent that opens a pull request.

Everything in it is real: git over HTTP, signed webhooks, builds, processes or containers.  Every line of the
transcript is something that was looked at, and the story fails when one of them is not as told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console
from rich.text import Text

from demo import changes
from demo.github import DemoGitHub

APPS = Path(__file__).parent / "apps"
SECRET = "only for this machine"  # noqa: S105
AGENT = ("Copilot", 198982749)
PATIENCE = 180.0  # seconds for one chapter: a first build fetches packages
T = TypeVar("T")


class NotAsTold(Exception):
    """The story went another way."""


async def tell(*, once: bool) -> int:
    """Tell it; then stay for clicking, unless `once`.  0: as told, 1: not."""
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="slipway-demo-"))
    try:
        async with _stage(folder, console) as story:
            try:
                await story.run()
            except (NotAsTold, TimeoutError) as error:
                console.print(f"\n[bold red]✗ {error}[/]\n")
                console.print((folder / "slipway.log").read_text()[-3000:], markup=False)
                return 1
            if not once:
                await story.stay()
            return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Story:
    """The chapters, in order."""

    def __init__(self, github: DemoGitHub, base: str, http: httpx.AsyncClient, console: Console) -> None:
        self._github, self._base, self._http, self._console = github, base, http, console
        self._began = time.monotonic()

    async def run(self) -> None:
        self._title("Slipway, on your own machine")
        self._say("a GitHub of your own", self._github.url, "repositories, webhooks, pull requests")
        self._say("Slipway", self._base, "takes its deliveries")
        api = await self._agent_opens()
        await self._agent_pushes(api)
        await self._person_opens()
        await self._person_closes(api)
        self._console.print("\n[bold green]✓ as told[/]\n")

    async def stay(self) -> None:
        """Until Ctrl-C, with something to click on: the pull request open again, and changes that wait for a button."""
        await self._github.reopen("acme/flask-api", 1, "ann")
        for repo in ("acme/flask-api", "acme/static-page"):
            changes.offer(self._github, repo, 1)
        self._console.print(
            f"Click around at [link={self._github.url}]{self._github.url}[/link]: comment, push, merge, close."
        )
        self._console.print("Ctrl-C ends it and removes everything.\n")
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()

    async def _agent_opens(self) -> int:
        repo = "acme/flask-api"
        self._title(f"A coding agent opens a pull request on {repo}")
        change = {"app.py": (APPS / "flask-api" / "app.py").read_text().replace("Hello", "Ahoy")}
        began = time.monotonic()
        await self._github.branch_commit(repo, "copilot/greeting", change, "Greet like a sailor", author=AGENT[0])
        number = await self._github.open_pull(
            repo, "copilot/greeting", "main", "Greet like a sailor", "The greeting is too plain.", AGENT[0]
        )
        await self._github.settled()
        self._say("delivery accepted", "202", f"{_ms(began)} after the push")
        host = self._host(number, repo)
        page = await self._wait(lambda: self._answers(host))
        self._say("its address answers", f"http://{host}:{self._port}", f"with {page.status_code} after {_ms(began)}")
        live = await self._wait(lambda: self._answers(host, "Ahoy"))
        self._say("the app answers", _line(live.text, "Ahoy"), f"after {_ms(began)}")
        await self._told(repo, number, "is live", "Written by", "Copilot")
        self._say("one comment", self._comment(repo, number)[0], f"{self._github.url}/{repo}/pull/{number}")
        await self._concluded(repo, number, "success")
        self._say("check slipway/preview", "success", "and a Deployment in the environment preview")
        return number

    async def _agent_pushes(self, number: int) -> None:
        repo, host = "acme/flask-api", self._host(number, "acme/flask-api")
        self._title("The agent pushes again")
        change = {"app.py": (APPS / "flask-api" / "app.py").read_text().replace("Hello", "Land ho")}
        failures: list[int] = []
        began = time.monotonic()
        await self._github.branch_commit(repo, "copilot/greeting", change, "Louder", author=AGENT[0])

        async def look() -> httpx.Response | None:
            answer = await self._get(host)
            if answer.status_code != 200:
                failures.append(answer.status_code)
            return answer if "Land ho" in answer.text else None

        live = await self._wait(look)
        if failures:
            raise NotAsTold(f"requests failed while the second push went live: {failures}")
        self._say("the new code answers", _line(live.text, "Land ho"), f"after {_ms(began)}, no request failed")
        await self._told(repo, number, "is live", self._head(repo, number)[:7])
        if len(self._comments(repo, number)) != 1:
            raise NotAsTold("there is more than one comment")
        self._say("the same comment", self._comment(repo, number)[0], "edited in place")

    async def _person_opens(self) -> None:
        repo = "acme/static-page"
        self._title(f"A person opens a pull request on {repo}")
        text = (APPS / "static-page" / "index.html").read_text()
        began = time.monotonic()
        await self._github.branch_commit(
            repo, "title", {"index.html": text.replace("<body>", "<body><p>Fresh paint.</p>")}, "Paint", author="ann"
        )
        number = await self._github.open_pull(repo, "title", "main", "Fresh paint", "", "ann")
        host = self._host(number, repo)
        await self._wait(lambda: self._answers(host, "Fresh paint."))
        self._say("static files are served", f"http://{host}:{self._port}", f"after {_ms(began)}")
        await self._told(repo, number, "is live")

    async def _person_closes(self, number: int) -> None:
        repo = "acme/flask-api"
        self._title("The pull request is closed")
        await self._github.close_pull(repo, number, "ann")
        await self._told(repo, number, "nothing is left")
        line = next(line for line in self._comment(repo, number) if "Removed" in line)
        self._say("the comment is a receipt", line, "")
        gone = await self._get(self._host(number, repo))
        if gone.status_code != 410:
            raise NotAsTold(f"the closed preview answers {gone.status_code}, not 410")
        self._say("its address", "410 Gone", "and says why")

        async def inactive() -> bool | None:
            states = [one.state for one in self._github.hub.repo(repo).deployments.values()]
            return True if states and set(states) == {"inactive"} else None

        await self._wait(inactive)
        self._say("GitHub's Deployments", "inactive", "")

    # ---- looking

    async def _told(self, repo: str, number: int, *words: str) -> None:
        async def look() -> bool | None:
            text = "\n".join(self._comment(repo, number))
            return True if all(word in text for word in words) else None

        await self._wait(look)

    async def _concluded(self, repo: str, number: int, conclusion: str) -> None:
        async def look() -> bool | None:
            sha = self._head(repo, number)
            checks = [one for one in self._github.hub.repo(repo).checks.values() if one.suite.sha == sha]
            states = [one.state for one in self._github.hub.repo(repo).deployments.values() if one.sha == sha]
            return True if {one.conclusion for one in checks} == {conclusion} and states == [conclusion] else None

        await self._wait(look)

    def _head(self, repo: str, number: int) -> str:
        return self._github.hub.pull(repo, number).head_sha

    def _comments(self, repo: str, number: int) -> list[str]:
        every = self._github.hub.repo(repo).comments.values()
        return [one.body for one in every if one.number == number and one.by_app]

    def _comment(self, repo: str, number: int) -> list[str]:
        """The comment's lines, without the part for machines."""
        bodies = self._comments(repo, number)
        lines = bodies[0].split("-->", 1)[-1].splitlines() if bodies else []
        return [line.lstrip("# ") for line in lines if line.strip()]

    async def _answers(self, host: str, text: str = "") -> httpx.Response | None:
        answer = await self._get(host)
        known = answer.status_code != 404 if not text else answer.status_code == 200 and text in answer.text
        return answer if known else None

    async def _get(self, host: str) -> httpx.Response:
        # *.localhost is this machine for browsers; other programs may have to be told.
        return await self._http.get(f"http://127.0.0.1:{self._port}/", headers={"Host": f"{host}:{self._port}"})

    @property
    def _port(self) -> str:
        return self._base.rsplit(":", 1)[1]

    @staticmethod
    def _host(number: int, repo: str) -> str:
        owner, name = repo.split("/")
        return f"pr-{number}--{name}--{owner}.localhost"

    async def _wait(self, look: Callable[[], Awaitable[T | None]]) -> T:
        async with asyncio.timeout(PATIENCE):
            while (found := await look()) is None:
                await asyncio.sleep(0.01)
            return found

    # ---- telling

    def _title(self, words: str) -> None:
        self._console.print(f"\n[bold]{words}[/]")

    def _say(self, what: str, shown: str, more: str) -> None:
        line = Text("  ✓ ", "green")
        line.append(f"{what:<26}", "default").append(shown, "bold cyan").append(f"  {more}" if more else "", "dim")
        self._console.print(line)


@contextlib.asynccontextmanager
async def _stage(folder: Path, console: Console) -> AsyncIterator[Story]:
    private, public = _keys()
    github = DemoGitHub(folder / "github", webhook_secret=SECRET, public_key=public)
    async with github.serve(port=_port(8001)) as served, httpx.AsyncClient(timeout=30) as http:
        port = _port(8000)
        base = f"http://localhost:{port}"
        github.hook_url = f"http://127.0.0.1:{port}/webhook"
        async with _slipway(folder, port, served.url, private, http):
            await _people(github)
            try:
                yield Story(github, base, http, console)
            finally:
                await _clear(github)


async def _people(github: DemoGitHub) -> None:
    github.user(AGENT[0], AGENT[1], "Bot")
    github.user("ann")
    for name in ("flask-api", "static-page"):
        await github.create_repository("acme", name, APPS / name)
        for login in (AGENT[0], "ann"):
            github.grant(f"acme/{name}", login, "write")


async def _clear(github: DemoGitHub) -> None:
    """Close what is open, so that nothing of the demo goes on running after it."""
    repos = list(github.hub.repos.values())
    for repo in repos:
        for pull in [one for one in repo.pulls.values() if one.state == "open"]:
            await github.close_pull(repo.full_name, pull.number)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while any(one.state != "inactive" for repo in repos for one in repo.deployments.values()):
                await asyncio.sleep(0.05)


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
    kept = ("SLIPWAY_RUNNER", "SLIPWAY_CA_BUNDLE", "SLIPWAY_IMAGE_PYTHON", "SLIPWAY_IMAGE_NODE")
    ours = ("SLIPWAY_", "GITHUB_", "DATABASE_URL")
    return {name: value for name, value in environ.items() if name in kept or not name.startswith(ours)}


def _keys() -> tuple[str, str]:
    """A private key for the app, and the public half for its GitHub."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _port(wanted: int) -> int:
    """That port, or a free one when it is taken."""
    for number in (wanted, 0):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", number))
            return int(one.getsockname()[1])
    raise NotAsTold("there is no free port")


def _ms(began: float) -> str:
    span = time.monotonic() - began
    return f"{span * 1000:.0f} ms" if span < 1 else f"{span:.1f} s"


def _line(page: str, word: str) -> str:
    """The line of a page that has the word, as a person sees it."""
    line = next((line for line in page.splitlines() if word in line), "")
    return re.sub(r"<[^>]*>", "", line).strip()[:60]
