"""A chapter of the story: an agent's change with a leaked key, an injection and a package that is not there.

The scan says so in one check, the key keeps the preview from starting, and the next push mends all three.
"""

from __future__ import annotations

import asyncio
import random
import string
import time
from pathlib import Path

from demo.github.records import Check
from demo.stage import APPS, NotAsTold, Teller, ms

OWNER, NAME = "acme", "chandlery"
REPO = f"{OWNER}/{NAME}"
AGENT = ("cursor", 206951365)  # another one than before: it has spent nothing yet
BRANCH = "cursor/search"
SCAN = "slipway/scan"
PACKAGE = "flask-chandlery-search"  # sounds right, and nobody has ever published it

INJECTED = """\
@app.get("/api/search")
def search():
    word = request.args.get("q", "")
    rows = sqlite3.connect("shop.db").execute(f"SELECT id, name FROM items WHERE name = '{word}'")
    return jsonify(rows.fetchall())


"""
BOUND = INJECTED.replace("""(f"SELECT id, name FROM items WHERE name = '{word}'")""", "(QUERY, (word,))")


class Security(Teller):
    """Found in a push, mended by the next; on a repository of its own."""

    async def run(self, home: Path) -> None:
        await self._people()
        key = leaked()
        number = await self._careless(key)
        await self._mended(number)
        await self._unsaid(home, number, key)

    async def _people(self) -> None:
        self.github.user(AGENT[0], AGENT[1], "Bot")
        await self.github.create_repository(OWNER, NAME, APPS / "flask-api")
        self.github.grant(REPO, AGENT[0], "write")
        self.github.grant(REPO, "mia", "maintain")

    async def _careless(self, key: str) -> int:
        self.title(f"An agent adds a search to {REPO}: with an injection, a key, and a package that it made up")
        began = time.monotonic()
        await self.github.branch_commit(REPO, BRANCH, careless(key), "Search the shop", author=AGENT[0])
        number = await self.github.open_pull(REPO, BRANCH, "main", "Search the shop", "Customers search.", AGENT[0])
        run = await self.check(REPO, number, SCAN, "failure")
        self.say(SCAN, str(run.title), f"failure, {ms(began)} after the push")
        self._names_all_three(run)
        await self.told(REPO, number, "Not started", "secret")
        self.say("the preview", "not started", next(one for one in self.comment(REPO, number) if "Not started" in one))
        await self.check(REPO, number, "slipway/preview", "action_required")
        if (await self.get(self.host(number, REPO))).status_code == 200:
            raise NotAsTold("the preview with the key answers")
        return number

    async def _mended(self, number: int) -> None:
        self.title("It reads the check, and pushes again")
        began = time.monotonic()
        # A key that is taken out by a further commit is still in the branch's history, and found there.
        await self._pushes_afresh(mended(), "Search the shop, safely")
        run = await self.check(REPO, number, SCAN, "success")
        self.say(SCAN, str(run.title), f"success, {ms(began)} after the push")
        host = self.host(number, REPO)
        await self.wait(lambda: self.answers(host, "Hello from the shop"))
        self.say("the preview", f"http://{host}:{self.port}", f"answers {ms(began)} after the push")
        await self.told(REPO, number, "is live")

    async def _unsaid(self, home: Path, number: int, key: str) -> None:
        repo = self.github.hub.repo(REPO)
        said = [*self.comments(REPO, number), *(str(one) for one in repo.checks.values())]
        if any(key in words for words in said):
            raise NotAsTold("the key stands in a comment or in a check")
        for name in await asyncio.to_thread(holding, key, home):
            raise NotAsTold(f"the key stands in {name}")
        self.say("the key itself", "repeated nowhere", "no comment, check, log or row of the database has it")

    async def _pushes_afresh(self, files: dict[str, str], message: str) -> None:
        """The branch begins again at main, as `git push --force` leaves it."""
        repo, sender = self.github.hub.repo(REPO), self.github.hub.user(AGENT[0])
        async with repo.git.writing:
            before = await repo.git.refs()
            content = {path: text.encode() for path, text in files.items()}
            when = int(self.github.hub.now())
            main = before["refs/heads/main"]
            await repo.git.write(BRANCH, content, message=message, author=sender.ident, when=when, parent=main)
            await self.github.refs_changed(repo, before, sender)

    def _names_all_three(self, run: Check) -> None:
        words = f"{run.title}\n{run.summary}\n{run.text}"
        for what, word in (("key", "config.py"), ("injection", "app.py"), ("package", PACKAGE)):
            if word not in words:
                raise NotAsTold(f"the scan says nothing of the {what}")
            line = next((one for one in str(run.summary).splitlines() if word in one), word)
            self.say(f"it names the {what}", line.strip("| ")[:100], "")


def leaked() -> str:
    """A key of Stripe's shape that has never been anybody's."""
    letters = string.ascii_letters + string.digits
    return "sk_" + "live_51" + "".join(random.SystemRandom().choices(letters, k=97))


def holding(key: str, home: Path) -> list[str]:
    """What of the books and the log has the key in it."""
    kept = [*sorted(home.glob("*.db*")), home.parent / "slipway.log"]
    return [one.name for one in kept if one.is_file() and key.encode() in one.read_bytes()]


def careless(key: str) -> dict[str, str]:
    """The change as the agent first writes it."""
    wanted = (APPS / "flask-api" / "requirements.txt").read_text()
    return {
        "app.py": _app(INJECTED, ""),
        "config.py": f'"""What the shop is run with."""\n\nSTRIPE_KEY = "{key}"\n',
        "requirements.txt": f"{wanted.rstrip()}\n{PACKAGE}==1.2.0\n",
    }


def mended() -> dict[str, str]:
    """The same feature: the word bound, the key from the environment, no package that is not there."""
    return {
        "app.py": _app(BOUND, 'QUERY = "SELECT id, name FROM items WHERE name = ?"\n'),
        "config.py": '"""What the shop is run with."""\n\nimport os\n\nSTRIPE_KEY = os.environ.get("STRIPE_KEY", "")\n',
        "requirements.txt": (APPS / "flask-api" / "requirements.txt").read_text(),
    }


def _app(page: str, constant: str) -> str:
    text = (APPS / "flask-api" / "app.py").read_text().replace("import os\n", "import os\nimport sqlite3\n", 1)
    text = text.replace('GREETING = "', f'{constant}GREETING = "', 1)
    return text.replace('@app.get("/healthz")\n', page + '@app.get("/healthz")\n', 1)
