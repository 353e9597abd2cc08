"""People who write commands on pull requests, and machines that send what people never wrote."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from bot.messages.commands import ANSWERS
from tests.house import MARKER, SECRET, SERVER, House, eventually

DONE, NO = "rocket", "-1"


async def live(home: House, files: dict[str, str] | None = None, **words: Any) -> int:
    """A pull request whose preview is live and told, with its check."""
    number = await home.propose(files or SERVER, **words)
    sha = home.github.hub.pull(home.repo, number).head_sha
    await home.says(number, "is live", sha[:7])

    async def checked() -> bool | None:
        return True if [one for one in home.checks(sha) if one.conclusion == "success"] else None

    await eventually(checked)
    return number


async def shown_and_approved(home: House, number: int, who: str = "bob") -> str:
    """Wait until the head is live, told and checked, then let somebody approve it; returns the head."""
    sha = str(home.github.hub.pull(home.repo, number).head_sha)
    await home.says(number, "is live", sha[:7])

    async def checked() -> bool | None:
        return True if [one for one in home.checks(sha) if one.conclusion == "success"] else None

    await eventually(checked)
    await home.github.review(home.repo, number, who)
    return sha


async def write(home: House, number: int, body: str, user: str = "ann") -> int:
    """A comment; returns its id once the app has taken the delivery."""
    comment = await home.github.comment(home.repo, number, user, body)
    await home.github.settled()
    return comment


def reactions(home: House, comment: int) -> list[str]:
    return [one.content for one in home.github.hub.repo(home.repo).comments[comment].reactions]


async def ended(home: House, comment: int, how: str = DONE, seconds: float = 30.0) -> None:
    """Wait until a command has the reaction that ends it."""

    async def looked() -> bool | None:
        return True if how in reactions(home, comment) else None

    await eventually(looked, seconds)
    assert reactions(home, comment) == ["eyes", how]


def answers(home: House, number: int) -> list[str]:
    """The app's comments that are not the sticky one, oldest first."""
    return [body for body in home.comments(number) if ANSWERS in body]


def twin(answer: str) -> dict[str, Any]:
    """The machine-readable half of an answer."""
    return dict(json.loads(answer.split(MARKER, 1)[1].split(" -->", 1)[0]))


async def refused(home: House, number: int, body: str, user: str = "ann") -> dict[str, Any]:
    """Write a command that is refused; what the one answer says to machines."""
    before = len(answers(home, number))
    comment = await write(home, number, body, user)
    await ended(home, comment, NO)
    told = answers(home, number)[before:]
    assert len(told) == 1
    return twin(told[0])


# What is for later (the gate looks again in an hour) is not left to do.
_LEFT = "SELECT count(*) FROM delivery WHERE state = 'running' OR (state = 'queued' AND run_at <= ?)"


async def quiet(home: House) -> None:
    """Wait until nothing is left to do: what has not happened by now does not happen."""
    await home.github.settled()

    async def looked() -> bool | None:
        assert home.service is not None
        return True if not await home.service.store.read(_busy) else None

    await eventually(looked)


def _busy(session: Any) -> int:
    return int(session.connection().exec_driver_sql(_LEFT, (time.time(),)).scalar())


async def staff(home: House) -> None:
    """Meg maintains the repository; ann and bob write."""
    home.github.user("meg")
    home.github.grant(home.repo, "meg", "maintain")


async def ready(home: House, files: dict[str, str] | None = None, **words: Any) -> int:
    """A pull request of ann's that bob has approved and meg may promote."""
    await staff(home)
    number = await live(home, files, **words)
    await home.github.review(home.repo, number, "bob")
    return number


PRODUCTION = "main--shop--acme.localhost"


def last_comment(home: House) -> dict[str, Any]:
    """What GitHub sent about the last comment, to be changed and sent again."""
    told = [one for one in home.github.deliveries if one.event == "issue_comment" and one.action == "created"]
    return copy.deepcopy(dict(told[-1].payload))


async def send(home: House, event: str, payload: dict[str, Any], guid: str | None = None) -> int:
    """A delivery with a good signature, as it comes."""
    body = json.dumps(payload).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": guid or str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}",
    }
    answer = await home.http.post(home.github.hook_url or "", content=body, headers=headers)
    return answer.status_code
