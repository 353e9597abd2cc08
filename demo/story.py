"""The story that `slipway demo` tells: a GitHub on this machine, Slipway beside it, an agent that opens a pull request.

Everything in it is real: git over HTTP, signed webhooks, builds, processes or containers.  Every line of the
transcript is something that was looked at, and the story fails when one of them is not as told.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from pathlib import Path

import httpx
from rich.console import Console

from demo import changes
from demo.governance import Governance
from demo.production import Production
from demo.security import Security
from demo.stage import AGENT, APPS, NotAsTold, Teller, line_of, ms, stage


async def tell(*, once: bool) -> int:
    """Tell it; then stay for clicking, unless `once`.  0: as told, 1: not."""
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="slipway-demo-"))
    try:
        async with stage(folder, console) as teller:
            story = Story(**vars(teller))
            try:
                await story.run()
                await Production(**vars(teller)).run(folder / "home")
                await Governance(**vars(teller)).run(folder / "home")
                await Security(**vars(teller)).run(folder / "home")
                console.print("\n[bold green]✓ as told[/]\n")
            except (NotAsTold, TimeoutError) as error:
                console.print(f"\n[bold red]✗ {error}[/]\n")
                console.print((folder / "slipway.log").read_text()[-3000:], markup=False)
                return 1
            if not once:
                await story.stay()
            return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Story(Teller):
    """The chapters, in order."""

    async def run(self) -> None:
        self.title("Slipway, on your own machine")
        self.say("a GitHub of your own", self.github.url, "repositories, webhooks, pull requests")
        self.say("Slipway", self.base, "takes its deliveries")
        api = await self._agent_opens()
        await self._agent_pushes(api)
        await self._person_opens()
        await self._person_closes(api)

    async def stay(self) -> None:
        """Until Ctrl-C, with something to click on: the pull request open again, and changes that wait for a button."""
        await self.github.reopen("acme/flask-api", 1, "ann")
        for repo in ("acme/flask-api", "acme/static-page"):
            changes.offer(self.github, repo, 1)
        self.console.print(
            f"Click around at [link={self.github.url}]{self.github.url}[/link]: comment, push, merge, close."
        )
        self.console.print("Ctrl-C ends it and removes everything.\n")
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()

    async def _agent_opens(self) -> int:
        repo = "acme/flask-api"
        self.title(f"A coding agent opens a pull request on {repo}")
        change = {"app.py": (APPS / "flask-api" / "app.py").read_text().replace("Hello", "Ahoy")}
        began = time.monotonic()
        await self.github.branch_commit(repo, "copilot/greeting", change, "Greet like a sailor", author=AGENT[0])
        number = await self.github.open_pull(
            repo, "copilot/greeting", "main", "Greet like a sailor", "The greeting is too plain.", AGENT[0]
        )
        await self.github.settled()
        self.say("delivery accepted", "202", f"{ms(began)} after the push")
        host = self.host(number, repo)
        page = await self.wait(lambda: self.answers(host))
        self.say("its address answers", f"http://{host}:{self.port}", f"with {page.status_code} after {ms(began)}")
        live = await self.wait(lambda: self.answers(host, "Ahoy"))
        self.say("the app answers", line_of(live.text, "Ahoy"), f"after {ms(began)}")
        await self.told(repo, number, "is live", "Written by", "Copilot")
        self.say("one comment", self.comment(repo, number)[0], f"{self.github.url}/{repo}/pull/{number}")
        await self.concluded(repo, number, "success")
        self.say("check slipway/preview", "success", "and a Deployment in the environment preview")
        return number

    async def _agent_pushes(self, number: int) -> None:
        repo, host = "acme/flask-api", self.host(number, "acme/flask-api")
        self.title("The agent pushes again")
        change = {"app.py": (APPS / "flask-api" / "app.py").read_text().replace("Hello", "Land ho")}
        failures: list[int] = []
        began = time.monotonic()
        await self.github.branch_commit(repo, "copilot/greeting", change, "Louder", author=AGENT[0])

        async def look() -> httpx.Response | None:
            answer = await self.get(host)
            if answer.status_code != 200:
                failures.append(answer.status_code)
            return answer if "Land ho" in answer.text else None

        live = await self.wait(look)
        if failures:
            raise NotAsTold(f"requests failed while the second push went live: {failures}")
        self.say("the new code answers", line_of(live.text, "Land ho"), f"after {ms(began)}, no request failed")
        await self.told(repo, number, "is live", self.head(repo, number)[:7])
        if len(self.comments(repo, number)) != 1:
            raise NotAsTold("there is more than one comment")
        self.say("the same comment", self.comment(repo, number)[0], "edited in place")

    async def _person_opens(self) -> None:
        repo = "acme/static-page"
        self.title(f"A person opens a pull request on {repo}")
        text = (APPS / "static-page" / "index.html").read_text()
        began = time.monotonic()
        await self.github.branch_commit(
            repo, "title", {"index.html": text.replace("<body>", "<body><p>Fresh paint.</p>")}, "Paint", author="ann"
        )
        number = await self.github.open_pull(repo, "title", "main", "Fresh paint", "", "ann")
        host = self.host(number, repo)
        await self.wait(lambda: self.answers(host, "Fresh paint."))
        self.say("static files are served", f"http://{host}:{self.port}", f"after {ms(began)}")
        await self.told(repo, number, "is live")

    async def _person_closes(self, number: int) -> None:
        repo = "acme/flask-api"
        self.title("The pull request is closed")
        await self.github.close_pull(repo, number, "ann")
        await self.told(repo, number, "nothing is left")
        line = next(line for line in self.comment(repo, number) if "Removed" in line)
        self.say("the comment is a receipt", line, "")
        gone = await self.get(self.host(number, repo))
        if gone.status_code != 410:
            raise NotAsTold(f"the closed preview answers {gone.status_code}, not 410")
        self.say("its address", "410 Gone", "and says why")

        async def inactive() -> bool | None:
            states = [one.state for one in self.github.hub.repo(repo).deployments.values()]
            return True if states and set(states) == {"inactive"} else None

        await self.wait(inactive)
        self.say("GitHub's Deployments", "inactive", "")
