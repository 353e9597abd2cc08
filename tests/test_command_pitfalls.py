"""What went wrong with commands elsewhere, tried here; P1 to P42 are docs/security.md's numbers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from markdown_it import MarkdownIt

from bot.store import audit, deliveries
from demo.github.records import stamp
from handlers import answer
from handlers.commands import help as manual
from handlers.commands.asked import Asked
from tests.house import HANG_UP, SERVER, House, eventually, house
from tests.talk import (
    NO,
    PRODUCTION,
    answers,
    ended,
    last_comment,
    live,
    quiet,
    reactions,
    ready,
    refused,
    send,
    write,
)

pytestmark = pytest.mark.slow
TWO = {"app.py": SERVER["app.py"].replace("one", "two")}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def nothing_is_released(home: House) -> None:
    await quiet(home)
    assert (await home.visit(PRODUCTION)).status_code == 404


async def a_push_that_github_has_not_told_yet(home: House) -> None:
    where, home.github.hook_url = home.github.hook_url, None
    await home.push(TWO)
    await home.github.settled()
    home.github.hook_url = where


async def test_push_after_comment_is_refused(home: House) -> None:
    """P1: what was pushed between looking and running never rides along."""
    number = await ready(home)
    await a_push_that_github_has_not_told_yet(home)

    said = await refused(home, number, "/promote production", "meg")

    sha = home.github.hub.pull(home.repo, number).head_sha
    assert said["reason_code"] == "head_moved"
    assert said["next"] == f"/promote production {sha[:7]}"
    await nothing_is_released(home)


async def test_a_comment_that_comes_late_means_what_its_author_saw(home: House) -> None:
    """P1: the delivery was held up while a newer commit was shown; it is not what somebody asked to release."""
    number = await ready(home)
    where, home.github.hook_url = home.github.hook_url, None
    comment = await home.github.comment(home.repo, number, "meg", "/promote production")
    home.github.hook_url = where
    await write(home, number, "carry this", "meg")
    late = last_comment(home)
    late["comment"]["id"], late["comment"]["body"] = comment, "/promote production"
    late["comment"]["created_at"] = stamp(home.github.hub.now() - 3600)  # that long ago nothing was shown

    assert await send(home, "issue_comment", late) == 202

    await ended(home, comment, NO)
    assert "not_displayed" in answers(home, number)[0]
    await nothing_is_released(home)


async def test_edited_comment_is_no_command(home: House) -> None:
    """P10"""
    number = await ready(home)
    comment = await write(home, number, "I shall promote this later.", "meg")

    await home.github.edit_comment(home.repo, comment, "/promote production")

    await nothing_is_released(home)
    assert (reactions(home, comment), answers(home, number)) == ([], [])


async def test_a_command_edited_afterwards_is_in_the_books(home: House) -> None:
    """P10"""
    number = await live(home)
    comment = await write(home, number, "/help")
    await ended(home, comment)

    await home.github.edit_comment(home.repo, comment, "/teardown")

    await quiet(home)
    assert home.service is not None
    lines = await home.service.store.read(lambda session: [one.payload for one in audit.lines(session)])
    assert any('"what":"comment.edited"' in line and str(comment) in line for line in lines)
    await home.shows(home.host(number), "hello one")


async def test_a_comment_that_somebody_else_sends_is_not_its_authors_command(home: House) -> None:
    """P11: who may write can change anybody's comment; the sender has to be the author."""
    number = await ready(home)
    await write(home, number, "nothing", "meg")
    forged = last_comment(home)
    forged["comment"] |= {"body": "/promote production", "id": 12_345}
    forged["sender"] = {**forged["sender"], "login": "bob", "id": home.github.user("bob").id}

    await send(home, "issue_comment", forged)

    await nothing_is_released(home)


@pytest.mark.parametrize(
    "body",
    [
        "```\n/teardown\n```",
        "> /teardown",
        "- /teardown",
        "<!-- -->\n/teardown",
        "    /teardown",
        " /teardown",
        "Please\n/teardown",
        "/teardow\u0578",
        "/teardown\u200b",
    ],
)
async def test_a_command_in_a_code_fence_is_not_run(home: House, body: str) -> None:
    """P12, P13: nor in a quote, a list, HTML, or with letters that only look right."""
    number = await live(home)

    await write(home, number, body)

    await quiet(home)
    await home.shows(home.host(number), "hello one")


async def test_a_bot_that_quotes_a_command_starts_no_loop(home: House) -> None:
    """P14: machines are not heard, and no answer of ours is a command when somebody repeats it."""
    number = await live(home)
    home.github.user("parrot[bot]", 777, "Bot")
    home.github.grant(home.repo, "parrot[bot]", "admin")
    await write(home, number, "/help", "parrot[bot]")
    for body in ("/help", "/status", "/keep", "/teardwon", "/logs"):
        comment = await write(home, number, body)
        await ended(home, comment, "rocket" if body in ("/help", "/status", "/logs") else NO)
    told = answers(home, number)
    assert len(told) == 5

    for body in [*told, home.comments(number)[0]]:
        await write(home, number, body)

    await quiet(home)
    assert len(answers(home, number)) == 5


async def test_answers_end_when_there_were_enough(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """P14: two machines that talk to each other fall silent."""
    monkeypatch.setattr(answer, "MOST", 3)
    number = await live(home)

    for _time in range(5):
        await ended(home, await write(home, number, "/help"))

    assert len(answers(home, number)) == 3


async def test_a_name_like_ours_is_nobody(home: House) -> None:
    """P15: on a public repository, somebody called like the app."""
    home.github.hub.repo(home.repo).private = False
    number = await live(home)
    home.github.user("slipway[bot]x", 666, "User")

    comment = await write(home, number, "/teardown", "slipway[bot]x")

    await quiet(home)
    assert (reactions(home, comment), answers(home, number)) == ([], [])
    await home.shows(home.host(number), "hello one")


async def test_a_comment_written_through_an_app_never_promotes(home: House) -> None:
    """P16: an agent with a person's token is not the person."""
    number = await ready(home)
    await write(home, number, "nothing", "meg")
    agent = last_comment(home)
    agent["comment"] |= {"body": "/promote production", "performed_via_github_app": {"id": 4242, "slug": "agent"}}

    await send(home, "issue_comment", agent)

    async def told() -> str | None:
        return next(iter(answers(home, number)), None)

    assert "not_permitted" in await eventually(told)
    await nothing_is_released(home)


async def test_what_the_app_itself_wrote_is_never_a_command(home: House) -> None:
    """P14, P16"""
    number = await ready(home)
    await write(home, number, "nothing", "meg")
    own = last_comment(home)
    own["comment"] |= {"body": "/promote production", "performed_via_github_app": {"id": 1, "slug": "slipway"}}

    await send(home, "issue_comment", own)

    await nothing_is_released(home)
    assert answers(home, number) == []


async def test_the_author_does_not_promote_and_a_writer_may_not(home: House) -> None:
    """P17, P19: live roles decide, and two pairs of eyes."""
    number = await ready(home)

    assert (await refused(home, number, "/promote production", "bob"))["reason_code"] == "not_permitted"
    home.github.grant(home.repo, "ann", "admin")
    said = await refused(home, number, "/promote production", "ann")
    assert [one["rule"] for one in said["rules"]] == ["author"]
    await nothing_is_released(home)


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_permission_that_cannot_be_asked_is_refused(home: House, status: int) -> None:
    """P9, P19: unknown denies, and says so."""
    number = await ready(home)

    def blind(request: web.Request) -> web.Response | None:
        return web.json_response({"message": "no"}, status=status) if "/permission" in request.path else None

    home.trouble.instead = blind

    said = await refused(home, number, "/promote production", "meg")

    assert said["reason_code"] == "permission_unknown"
    await nothing_is_released(home)


async def test_somebody_who_lost_the_right_is_refused(home: House) -> None:
    """P20: nothing is remembered of what somebody once might."""
    number = await ready(home)
    await ended(home, await write(home, number, "/hold production --reason=look", "meg"))
    home.github.grant(home.repo, "meg", "read")

    assert (await refused(home, number, "/unhold production", "meg"))["reason_code"] == "not_permitted"


async def test_a_forks_next_commit_needs_its_own_command(home: House) -> None:
    """P21, P22: one commit is allowed, by who may write; not by a label, not by its author, not the next one."""
    fork = (await home.github.fork(home.repo, "eve")).full_name
    first = await home.github.branch_commit(fork, "gift", SERVER, "Take it", author="eve")
    number = await home.github.open_pull(fork, "gift", "main", "Free gift", "", "eve", fork_of=home.repo)
    await home.says(number, "was not run", first)
    await home.github.label(home.repo, number, "ok-to-test", "bob")
    home.github.grant(home.repo, "eve", "read")
    assert (await refused(home, number, f"/preview {first}", "eve"))["reason_code"] == "not_permitted"
    assert (await refused(home, number, "/preview", "bob"))["next"] == f"/preview {first}"
    assert (await refused(home, number, f"/preview {first[:12]}", "bob"))["reason_code"] == "full_commit_required"

    await ended(home, await write(home, number, f"/preview {first}", "bob"))

    await home.shows(home.host(number), "hello one")
    second = await home.github.branch_commit(fork, "gift", TWO, "And this", author="eve")
    await home.says(number, "was not run", second)
    assert (await refused(home, number, f"/preview {first}", "bob"))["reason_code"] == "head_moved"
    assert (await refused(home, number, "/redeploy", "bob"))["reason_code"] == "full_commit_required"
    await home.shows(home.host(number), "hello one")


async def test_a_delivery_sent_twice_runs_a_command_once(home: House) -> None:
    """P26: under its own guid and under another."""
    number = await live(home)
    comment = await write(home, number, "/help")
    await ended(home, comment)
    again = last_comment(home)

    for guid in ("other", "another"):
        assert await send(home, "issue_comment", again, guid) == 202

    await quiet(home)
    assert len(answers(home, number)) == 1


async def test_a_command_cut_off_in_the_middle_is_run_once_after_the_restart(home: House) -> None:
    """P26: neither lost nor doubled."""
    number = await live(home)
    asked = asyncio.Event()

    def deaf(request: web.Request) -> web.Response | None:
        if "/permission" not in request.path:
            return None
        asked.set()
        return web.Response(status=HANG_UP)

    home.trouble.instead = deaf
    comment = await write(home, number, "/help")
    await asyncio.wait_for(asked.wait(), 10)
    await home.stop()
    home.trouble.instead = lambda _request: None
    await home.start()

    await ended(home, comment)

    assert len(answers(home, number)) == 1


async def test_an_answer_whose_receipt_was_lost_is_not_repeated(home: House) -> None:
    """P36"""
    number = await live(home)
    lost = home.trouble.lose("POST", f"/issues/{number}/comments")

    await ended(home, await write(home, number, "/help"))

    assert lost() == 1
    assert len(answers(home, number)) == 1


async def test_a_command_that_fails_by_our_fault_says_so(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """P26: what was taken on always ends."""

    async def broken(_asked: Asked) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(manual, "run", broken)
    monkeypatch.setattr(deliveries, "RETRIES", (0.05,))
    number = await live(home)

    await ended(home, await write(home, number, "/help"), NO)

    assert '"reason_code":"internal"' in answers(home, number)[0]


async def test_production_must_be_named(home: House) -> None:
    """P29"""
    number = await ready(home)

    for verb in ("promote", "rollback", "unhold", "lock", "unlock", "freeze", "unfreeze"):
        said = await refused(home, number, f"/{verb}", "meg")
        assert said["reason_code"] == "usage"
        assert said["next"].startswith(f"/{verb} production")
    assert (await refused(home, number, "/promote moon", "meg"))["reason_code"] == "unknown_environment"
    assert (await refused(home, number, "/promote preview", "meg"))["reason_code"] == "usage"
    await nothing_is_released(home)


async def test_hostile_words_come_back_defused(home: House) -> None:
    """P37: what somebody wrote is shown as text, mentions nobody, and closes no marker."""
    number = await live(home)

    said = await refused(home, number, '/preview "--> <img src=x> @acme/everyone [x](http://evil)"')

    shown = MarkdownIt("commonmark", {"html": True}).render(answers(home, number)[0])
    assert said["reason_code"] == "usage"
    assert "<img" not in shown
    assert "<a " not in shown
    assert "@acme" not in re.sub(r"<code>.*?</code>|<!--.*?-->", "", shown)


async def test_another_installation_is_not_obeyed(home: House) -> None:
    """P39"""
    number = await live(home)
    await write(home, number, "nothing")
    forged = last_comment(home)
    forged["comment"] |= {"body": "/teardown", "id": 4711}
    forged["installation"] = {"id": 99_999}

    await send(home, "issue_comment", forged)

    await quiet(home)
    await home.shows(home.host(number), "hello one")


async def test_a_closed_pull_request_is_not_promoted(home: House) -> None:
    """P42"""
    number = await ready(home)
    await home.github.close_pull(home.repo, number)
    await home.says(number, "Preview removed")

    said = await refused(home, number, "/promote production", "meg")

    assert said["state"] == "refused"
    assert (await refused(home, number, "/preview", "bob"))["reason_code"] == "closed"
    await nothing_is_released(home)
