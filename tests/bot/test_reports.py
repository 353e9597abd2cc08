"""GitHub shows what the books say, also when answers are lost, things are deleted, or we were killed in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bot.messages.gate import GATE
from demo.github.records import Call
from tests.house import PAGE, SERVER, House, eventually, house

pytestmark = pytest.mark.slow
ABOUT = {"/check-runs": b'"slipway/preview"'}
SLOW = {**SERVER, "app.py": "import time; time.sleep(4)\n" + SERVER["app.py"]}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def settled(home: House, number: int) -> None:
    """All that can be told of an open pull request is told."""
    pull = home.github.hub.pull(home.repo, number)

    async def told() -> bool | None:
        bodies, checks = home.comments(number), home.checks(pull.head_sha)
        live = bool(bodies) and "is live" in bodies[0] and pull.head_sha[:7] in bodies[0]
        ended = [one.conclusion for one in checks] == ["success"]
        states = [one.state for one in home.remote(pull.head_sha)]
        return True if live and ended and states == ["success"] else None

    await eventually(told, 40)


def calls(home: House, method: str, ending: str) -> list[Call]:
    """The gate's check is another story."""
    every = [one for one in home.github.calls if one.method == method and one.path.partition("?")[0].endswith(ending)]
    return [one for one in every if not (isinstance(one.body, dict) and one.body.get("name") == GATE)]


@pytest.mark.parametrize("ending", ["/check-runs", "/comments", "/deployments"])
async def test_what_was_made_although_the_answer_was_lost_is_found_again(home: House, ending: str) -> None:
    lost = home.trouble.lose("POST", ending, about=ABOUT.get(ending, b""))
    number = await home.propose({"index.html": "<h1>new</h1>"})

    await settled(home, number)

    assert lost() == 1
    assert len(calls(home, "POST", ending)) == 1
    assert len(home.comments(number)) == 1
    assert len(home.remote()) == 1


@pytest.mark.parametrize("ending", ["/check-runs", "/comments", "/deployments"])
async def test_a_lost_answer_and_a_restart_double_nothing(home: House, ending: str) -> None:
    lost = home.trouble.lose("POST", ending, about=ABOUT.get(ending, b""))
    number = await home.propose({"index.html": "<h1>new</h1>"})

    async def gone() -> bool | None:
        return True if lost() else None

    await eventually(gone)
    await home.stop()
    await home.start()

    await settled(home, number)
    assert len(calls(home, "POST", ending)) == 1


async def test_a_comment_found_again_says_what_is_true_by_then(home: House) -> None:
    """It was made while we built; when we find it, the preview is live."""
    lost = home.trouble.lose("POST", "/comments")
    number = await home.propose(SLOW)

    async def building() -> bool | None:
        return True if lost() and home.comments(number) else None

    await eventually(building)
    assert "is live" not in home.comments(number)[0]
    await settled(home, number)


async def test_a_check_whose_id_we_never_learned_ends_when_its_commit_is_replaced(home: House) -> None:
    lost = home.trouble.lose("POST", "/check-runs", about=ABOUT["/check-runs"])
    number = await home.propose(SLOW)
    first = home.github.hub.pull(home.repo, number).head_sha

    async def asked() -> bool | None:
        return True if lost() else None

    await eventually(asked)
    await home.push({"app.py": SERVER["app.py"]})

    await settled(home, number)
    assert [(one.status, one.conclusion) for one in home.checks(first)] == [("completed", "cancelled")]


async def test_a_deployment_whose_id_we_never_learned_becomes_inactive_when_replaced(home: House) -> None:
    lost = home.trouble.lose("POST", "/deployments")
    number = await home.propose(SLOW)
    first = home.github.hub.pull(home.repo, number).head_sha

    async def asked() -> bool | None:
        return True if lost() else None

    await eventually(asked)
    await home.push({"app.py": SERVER["app.py"]})

    await settled(home, number)
    assert [one.state for one in home.remote(first)] == ["inactive"]


async def test_each_change_of_a_check_is_written_once(home: House) -> None:
    number = await home.propose({"index.html": "<h1>new</h1>"})
    await settled(home, number)

    sha = home.github.hub.pull(home.repo, number).head_sha
    (check,) = home.checks(sha)
    writes = [*calls(home, "POST", "/check-runs"), *calls(home, "PATCH", f"/check-runs/{check.id}")]
    statuses = {(one.body["status"], one.body.get("conclusion")) for one in writes}
    assert len(writes) == len(statuses)


async def test_a_deleted_comment_is_made_anew_once(home: House) -> None:
    number = await home.propose({"index.html": "<h1>new</h1>"})
    await settled(home, number)
    repo = home.github.hub.repo(home.repo)
    (comment,) = (one for one in repo.comments.values() if one.by_app)
    home.github.delete_comment(repo, comment, home.github.user("ann"))

    await home.push({"index.html": "<h1>newer</h1>"})

    await settled(home, number)
    assert len(home.comments(number)) == 1
    assert len(calls(home, "POST", f"/issues/{number}/comments")) == 2


async def test_a_deleted_comment_is_made_anew_once_also_when_the_answer_is_lost(home: House) -> None:
    number = await home.propose({"index.html": "<h1>new</h1>"})
    await settled(home, number)
    repo = home.github.hub.repo(home.repo)
    (comment,) = (one for one in repo.comments.values() if one.by_app)
    home.github.delete_comment(repo, comment, home.github.user("ann"))
    lost = home.trouble.lose("POST", "/comments")

    await home.push({"index.html": "<h1>newer</h1>"})

    await settled(home, number)
    assert lost() == 1
    assert len(home.comments(number)) == 1


async def test_one_refusal_keeps_nothing_else_untold(home: House) -> None:
    """Comments may be forbidden (a locked conversation); check and Deployment are told all the same, and so is it
    when it is allowed again."""
    closed = True

    def locked(request: web.Request) -> web.Response | None:
        if request.method != "POST" or not request.path.endswith("/comments") or not closed:
            return None
        return web.json_response({"message": "Unable to create comment because issue is locked."}, status=403)

    home.trouble.instead = locked
    number = await home.propose({"index.html": "<h1>new</h1>"})

    async def told() -> bool | None:
        sha = home.github.hub.pull(home.repo, number).head_sha
        return True if [one.state for one in home.remote(sha)] == ["success"] else None

    await eventually(told)
    assert not home.comments(number)
    closed = False
    await settled(home, number)


async def test_an_old_commit_that_github_forgot_keeps_nothing_untold(home: House) -> None:
    """Its check can't be ended any more; what is new is told all the same."""
    number = await home.propose(PAGE | {"new.html": "new"})
    await settled(home, number)
    old = home.remote()[-1].id
    gone = f"/deployments/{old}/statuses"
    home.trouble.instead = lambda request: (
        web.json_response({"message": "Not Found"}, status=404) if request.path.endswith(gone) else None
    )

    await home.push({"index.html": "<h1>newer</h1>"})

    await settled(home, number)
