"""The second half of the story: production, and every way back from it."""

from __future__ import annotations

import time
from pathlib import Path

from demo.stage import AGENT, APPS, NotAsTold, Teller, ms

REPO = "acme/flask-api"
HOST = "main--flask-api--acme.localhost"
PERSON = "mia"  # may promote: she is a maintainer and wrote none of it

# Fails only where it matters, as such things do.
SICK = """\
if os.environ.get("SLIPWAY_ENVIRONMENT") == "production":
    raise RuntimeError("no database for production")
"""
SOUR = """\
import time

BORN = time.monotonic()


@app.before_request
def turn():
    if os.environ.get("SLIPWAY_ENVIRONMENT") == "production" and time.monotonic() > BORN + 8:
        return "the cache is full", 500


"""


class Production(Teller):
    """Promote, refuse what is broken, go back by itself, go back by command, check the books."""

    async def run(self, home: Path) -> None:
        good = await self._promotes()
        await self._broken(good)
        await self._turns_bad(good)
        await self._goes_back(good)
        await self._books(home)

    async def _promotes(self) -> str:
        self.title("A maintainer approves and promotes what was shown")
        number = await self._shown("steady", "Steady as she goes")
        began = time.monotonic()
        await self.github.comment(REPO, number, PERSON, "/promote production")
        good = "Steady as she goes"
        await self.wait(lambda: self.answers(HOST, good))
        self.say("production answers", good, f"{ms(began)} after the comment, nothing was built")
        await self.told(REPO, number, "Production")
        return good

    async def _broken(self, good: str) -> None:
        self.title("A version that breaks in production is promoted")
        number = await self._shown("broken", "Full sail", SICK)
        await self.github.comment(REPO, number, PERSON, "/promote production")
        await self._replied(number, "health_failed")
        answer = await self.get(HOST)
        if good not in answer.text:
            raise NotAsTold("production does not show what it showed before")
        self.say("it is refused", "health_failed", "the old version never noticed")

    async def _turns_bad(self, good: str) -> None:
        self.title("A version that turns bad after it was promoted")
        number = await self._shown("sour", "Land ahoy", SOUR)
        await self.github.comment(REPO, number, PERSON, "/promote production")
        await self.wait(lambda: self.answers(HOST, "Land ahoy"))
        self.say("production answers", "Land ahoy", "and is being watched")
        began = time.monotonic()
        await self.wait(lambda: self.answers(HOST, good))
        self.say("rolled back by itself", good, f"{ms(began)} after it was live")
        await self.told(REPO, number, "rolled")

    async def _goes_back(self, good: str) -> None:
        self.title("A maintainer goes back by command")
        number = await self._shown("fair", "Fair winds")
        await self.github.comment(REPO, number, PERSON, "/promote production")
        await self.wait(lambda: self.answers(HOST, "Fair winds"))
        began = time.monotonic()
        await self.github.comment(REPO, number, PERSON, "/rollback production --reason=weather")
        await self.wait(lambda: self.answers(HOST, good))
        self.say("production answers", good, f"{ms(began)} after the comment")

    async def _books(self, home: Path) -> None:
        self.title("The books")
        said = await self.command(home, "audit", "verify")
        self.say("slipway audit verify", said[0][:70], "")

    async def _shown(self, branch: str, greeting: str, extra: str = "") -> int:
        """A pull request of the agent's that is live in its preview, green, and approved by a person."""
        text = (APPS / "flask-api" / "app.py").read_text().replace("Hello from the shop", greeting)
        text = text.replace('@app.get("/")\n', extra + '@app.get("/")\n', 1)
        await self.github.branch_commit(REPO, branch, {"app.py": text}, greeting, author=AGENT[0])
        number = await self.github.open_pull(REPO, branch, "main", greeting, "", AGENT[0])
        await self.told(REPO, number, "is live")
        await self.concluded(REPO, number, "success")
        await self.github.review(REPO, number, "ann")
        return number

    async def _replied(self, number: int, code: str) -> None:
        async def look() -> bool | None:
            every = self.github.hub.repo(REPO).comments.values()
            return True if any(code in one.body for one in every if one.number == number and one.by_app) else None

        await self.wait(look)
