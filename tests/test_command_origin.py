"""Where a command comes from, what becomes of its comment, and who had a hand in what it releases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.house import SERVER, House, house
from tests.talk import NO, PRODUCTION, answers, ended, quiet, ready, shown_and_approved, twin

pytestmark = pytest.mark.slow


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def asked(home: House, number: int, body: str, *, by_email: bool = False) -> int:
    comment = await home.github.comment(home.repo, number, "meg", body, by_email=by_email)
    await home.github.settled()
    return comment


def graphql(answer: web.Response | None, status: int = 200) -> object:
    def instead(request: web.Request) -> web.Response | None:
        if request.path != "/graphql":
            return None
        return answer or web.json_response({"message": "no"}, status=status)

    return instead


async def test_a_command_by_email_does_not_reach_production(home: House) -> None:
    """P41: whoever has a notification can answer it in its reader's name."""
    number = await ready(home)

    await ended(home, await asked(home, number, "/promote production", by_email=True), NO)

    said = twin(answers(home, number)[0])
    assert (said["reason_code"], [one["rule"] for one in said["rules"]]) == ("by_email", ["email"])
    await quiet(home)
    assert (await home.visit(PRODUCTION)).status_code == 404
    await ended(home, await asked(home, number, "/status", by_email=True))


@pytest.mark.parametrize("status", [403, 502])
async def test_a_github_that_does_not_say_how_a_comment_came_releases_nothing(home: House, status: int) -> None:
    """P41, P9: unknown denies."""
    number = await ready(home)
    home.trouble.instead = graphql(None, status)  # type: ignore[assignment]

    await ended(home, await asked(home, number, "/promote production"), NO)

    assert twin(answers(home, number)[0])["reason_code"] == "origin_unknown"


async def test_errors_of_graphql_are_not_knowledge(home: House) -> None:
    """P41, P9"""
    number = await ready(home)
    trouble = {"data": {"node": None}, "errors": [{"type": "NOT_FOUND", "message": "Could not resolve"}]}
    home.trouble.instead = graphql(web.json_response(trouble))  # type: ignore[assignment]

    await ended(home, await asked(home, number, "/promote production"), NO)

    assert twin(answers(home, number)[0])["reason_code"] == "origin_unknown"


async def test_a_server_without_graphql_can_not_be_asked_and_promotes(home: House) -> None:
    number = await ready(home)
    home.trouble.instead = graphql(None, 404)  # type: ignore[assignment]

    await ended(home, await asked(home, number, "/promote production"))

    await home.shows(PRODUCTION, "hello one")


async def test_a_command_edited_or_deleted_afterwards_is_told(home: House) -> None:
    """P10: what ran stays what it was, and whoever reads the page learns that it says something else by now."""
    number = await ready(home)
    edited, deleted = await asked(home, number, "/status"), await asked(home, number, "/promote production")
    await ended(home, edited)
    await ended(home, deleted)

    await home.github.edit_comment(home.repo, edited, "/rollback production --reason=never", "meg")
    repo = home.github.hub.repo(home.repo)
    home.github.delete_comment(repo, repo.comments[deleted], home.github.user("meg"))

    await home.says(number, "1 edited, 1 deleted")
    await home.shows(PRODUCTION, "hello one")


async def test_a_strangers_comment_that_was_never_answered_is_not_spoken_of(home: House) -> None:
    number = await ready(home)
    comment = await home.github.comment(home.repo, number, "eve", "/help")
    await home.github.edit_comment(home.repo, comment, "nothing", "eve")

    await quiet(home)

    assert "✏️" not in home.comments(number)[0]


async def test_the_log_of_production_is_what_serves_prints_also_after_a_rollback(home: House) -> None:
    talks = {**SERVER, "app.py": "print('fair wind', flush=True)\n" + SERVER["app.py"]}
    number = await ready(home, talks)
    await ended(home, await asked(home, number, "/promote production"))
    await ended(home, await asked(home, number, "/logs production"))
    assert "fair wind" in answers(home, number)[0]
    await home.push({**SERVER, "app.py": SERVER["app.py"].replace("one", "two")})
    await shown_and_approved(home, number)
    await ended(home, await asked(home, number, "/promote production"))
    await ended(home, await asked(home, number, "/rollback production --reason=bad"))

    await ended(home, await asked(home, number, "/logs production"))

    assert "fair wind" in answers(home, number)[-1]
    assert "/deployments/" not in answers(home, number)[-1]
