"""The third part of the story: rules that hold for everybody, money for agents, and who may loosen either."""

from __future__ import annotations

import time
from pathlib import Path

from demo.stage import APPS, NotAsTold, Teller, ms

OWNER, NAME = "acme", "checkout"
REPO = f"{OWNER}/{NAME}"
AGENT = ("claude", 209825114)  # another one than before: it has spent nothing yet
AUTHOR, REVIEWER, ADMIN = "ann", "mia", "ada"
MOST = 8  # pull requests until its budget must have ended; by the default prices an hour of each is put aside
POLICY = """\
version: 1
budgets:
  currency: USD
  limits:
    - {scope: "agent:*", period: day, limit: "0.01", on_limit: deny_new}
"""
LOOSER = POLICY.replace('"0.01"', '"10"')


class Governance(Teller):
    """An approval, a budget, a loosening; on a repository of its own."""

    async def run(self, home: Path) -> None:
        await self._people()
        approved = await self._approval()
        await self._budget()
        await self._agent_loosens()
        loosened = await self._person_loosens()
        await self._looked_up(home, approved, loosened)

    async def _people(self) -> None:
        self.github.user(AGENT[0], AGENT[1], "Bot")
        await self.github.create_repository(OWNER, NAME, APPS / "flask-api")
        for login in (AGENT[0], AUTHOR):
            self.github.grant(REPO, login, "write")
        self.github.grant(REPO, REVIEWER, "maintain")
        self.github.grant(REPO, ADMIN, "admin")

    async def _approval(self) -> int:
        self.title(f"A person opens a pull request on {REPO}: one required check, slipway/gate")
        began = time.monotonic()
        number = await self._proposes(AUTHOR, "till", "A kinder till", {"app.py": _app("Good day")})
        asked = await self._gate(number, "action_required", "approvals 0/1")
        self.say("slipway/gate", asked, f"action_required, {ms(began)} after the push")
        if any(one.conclusion == "success" for one in self.checks(REPO, number, "slipway/gate")):
            raise NotAsTold("the gate was green before anybody had approved")
        began = time.monotonic()
        await self.github.review(REPO, number, REVIEWER)
        green = await self._gate(number, "success")
        self.say("slipway/gate", green, f"success, {ms(began)} after {REVIEWER}'s approval")
        return number

    async def _budget(self) -> None:
        self.title("Agents get a cent a day; one of them goes on opening pull requests")
        await self.github.branch_commit(REPO, "main", {".slipway.yml": POLICY}, "A budget for agents", author=ADMIN)
        await self.github.settled()
        for count in range(1, MOST + 1):
            files = {"app.py": _app(f"Idea {count}")}
            number = await self._proposes(AGENT[0], f"claude/idea-{count}", f"Idea {count}", files)
            if await self._ended(number) == "budget_exceeded":
                break
            host = self.host(number, REPO)
            self.say("a preview within it", f"http://{host}:{self.port}", f"pull request #{number}")
        else:
            raise NotAsTold(f"{MOST} previews of an agent were started with a budget of a cent")
        if count == 1:
            raise NotAsTold("the agent's first preview was over its budget already")
        sentence = next(line for line in self.comment(REPO, number) if "Over budget" in line)
        if "needed, limit 0.01 USD" not in sentence:
            raise NotAsTold(f"the refusal does not say what is needed and what the limit is: {sentence}")
        self.say("budget_exceeded", sentence, f"pull request #{number}")
        await self.wait(lambda: self.answers(host, f"Idea {count - 1}"))
        self.say("what was live", f"http://{host}:{self.port}", "still answers")

    async def _agent_loosens(self) -> None:
        self.title("So the agent proposes a larger budget for itself")
        number = await self._proposes(AGENT[0], "claude/more", "Room to think", {".slipway.yml": LOOSER})
        seen = await self.check(REPO, number, "slipway/policy", "failure")
        self.say("slipway/policy", str(seen.title), "failure")
        gate = await self._gate(number, "failure", "policy: looser")
        self.say("slipway/gate", gate, "failure")
        newest = self.checks(REPO, number, "slipway/gate")[-1]
        if "policy_loosened" not in str(newest.text):
            raise NotAsTold("the gate does not say that the policy was loosened")

    async def _person_loosens(self) -> int:
        self.title("A person proposes the same")
        number = await self._proposes(AUTHOR, "budget", "More for agents", {".slipway.yml": LOOSER})
        await self.github.review(REPO, number, REVIEWER)
        seen = await self.check(REPO, number, "slipway/policy", "action_required")
        self.say("slipway/policy", str(seen.title), "action_required")
        asked = await self._gate(number, "action_required", "1 of", "policy: ack")
        self.say("slipway/gate", asked, f"although {REVIEWER} approved it")
        await self.told(REPO, number, "is live")  # what she has to have seen
        began = time.monotonic()
        await self.github.comment(REPO, number, ADMIN, "/ack policy")
        green = await self._gate(number, "success")
        self.say("slipway/gate", green, f"success, {ms(began)} after an admin's /ack policy")
        return number

    async def _looked_up(self, home: Path, approved: int, loosened: int) -> None:
        self.title("Looked up")
        for number in (approved, loosened):
            words = ("policy", "explain", "--repo", REPO, "--pr", str(number))
            lines = await self.command(home, *words)
            if f"{REPO} #{number}, the gate: allowed" not in lines[0]:
                raise NotAsTold(f"slipway {' '.join(words)}: {lines[0]}")
            self.say("slipway policy explain", lines[0], lines[1])
        lines = await self.command(home, "budget")
        mine = next((line for line in lines if AGENT[0] in line), None)
        if mine is None or "USD" not in mine:
            raise NotAsTold(f"slipway budget does not know {AGENT[0]}")
        spent = [cell.strip() for cell in mine.strip("│ ").split("│")]
        self.say("slipway budget", " ".join(spent[:2]), f"today {spent[2]}, put aside {spent[-1]}")

    async def _proposes(self, login: str, branch: str, title: str, files: dict[str, str]) -> int:
        await self.github.branch_commit(REPO, branch, files, title, author=login)
        return await self.github.open_pull(REPO, branch, "main", title, "", login)

    async def _gate(self, number: int, conclusion: str, *words: str) -> str:
        """The newest title of the gate, once it concludes so and says that."""
        return str((await self.check(REPO, number, "slipway/gate", conclusion, *words)).title)

    async def _ended(self, number: int) -> str:
        """How the preview came out: "live", or why not."""

        async def look() -> str | None:
            text = "\n".join(self.comments(REPO, number))
            return next((word for word in ("budget_exceeded", "is live") if word in text), None)

        return await self.wait(look)


def _app(greeting: str) -> str:
    return (APPS / "flask-api" / "app.py").read_text().replace("Hello from the shop", greeting)
