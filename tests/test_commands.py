"""Commands, end to end: a comment on GitHub, what happens, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.messages.commands import ANSWERS
from bot.store import deployments
from tests.house import SERVER, House, eventually, house
from tests.talk import NO, PRODUCTION, answers, ended, live, quiet, reactions, ready, refused, staff, twin, write

pytestmark = pytest.mark.slow
SLOW = {**SERVER, "app.py": "import time; time.sleep(20)\n" + SERVER["app.py"]}
TWO = {"app.py": SERVER["app.py"].replace("one", "two")}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def test_questions_are_answered_once_each(home: House) -> None:
    number = await live(home)

    for body, words in (("/help", "/promote"), ("/status", "live"), ("/logs", "Whole log"), ("/slipway help", "/keep")):
        comment = await write(home, number, f"\n{body}\nand some talk", "bob")
        await ended(home, comment)
        assert words in answers(home, number)[-1]

    assert len(answers(home, number)) == 4
    assert twin(answers(home, number)[0])["state"] == "answered"


async def test_talk_and_other_bots_commands_are_none_of_ours(home: House) -> None:
    number = await live(home)

    for body in ("Looks good", "/lgtm", "/deploy", "what about /help", "> /help", "    /teardown"):
        await write(home, number, body)
    await quiet(home)

    assert answers(home, number) == []


async def test_a_near_miss_is_told_what_was_meant_and_never_runs(home: House) -> None:
    number = await live(home)

    said = await refused(home, number, "/teardwon")

    assert (said["state"], said["reason_code"]) == ("hint", "unknown_command")
    assert "Did you mean /teardown" in answers(home, number)[0].replace("\\", "")
    await home.shows(home.host(number), "hello one")


async def test_teardown_removes_the_preview_and_preview_brings_it_back(home: House) -> None:
    number = await live(home)

    await ended(home, await write(home, number, "/teardown"))

    await home.says(number, "was removed", "ann")
    assert (await home.visit(home.host(number))).status_code == 410

    await ended(home, await write(home, number, "/preview"))

    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")


async def test_redeploy_builds_the_head_again(home: House) -> None:
    number = await live(home)
    before = home.twin(number)["deployment"]

    await ended(home, await write(home, number, "/redeploy"))

    await home.shows(home.host(number), "hello one")

    async def newer() -> bool | None:
        return True if home.twin(number)["deployment"] != before else None

    await eventually(newer)


async def test_cancel_stops_a_running_build_and_it_stays_stopped(home: House) -> None:
    number = await home.propose(SLOW)
    sha = home.github.hub.pull(home.repo, number).head_sha
    await home.says(number, "Starting")

    await ended(home, await write(home, number, "/cancel"))

    await home.says(number, "was stopped", "ann")
    assert home.twin(number)["reason_code"] == "cancelled"

    async def checked() -> bool | None:
        return True if [one.conclusion for one in home.checks(sha)] == ["cancelled"] else None

    await eventually(checked)
    assert list((home.settings.home / "instances").glob("*")) == []


async def test_cancel_with_nothing_to_stop_says_so(home: House) -> None:
    number = await live(home)

    assert (await refused(home, number, "/cancel"))["reason_code"] == "nothing_there"


async def test_keep_holds_the_preview_for_as_long_as_said(home: House) -> None:
    number = await live(home)

    await ended(home, await write(home, number, "/keep 3d"))

    assert home.service is not None
    project = home.github.hub.repo(home.repo).id
    standing = await home.service.store.read(deployments.standing, project, number)
    assert standing is not None
    assert standing.pull.keep_until is not None
    assert standing.pull.keep_until - home.service.clock() > 2.9 * 86400
    assert (await refused(home, number, "/keep 90d"))["reason_code"] == "usage"
    assert (await refused(home, number, "/keep"))["next"] == "/keep 3d"


async def test_plan_names_what_is_missing_and_does_nothing(home: House) -> None:
    await staff(home)
    number = await live(home)

    comment = await write(home, number, "/plan production", "meg")
    await ended(home, comment)

    said = twin(answers(home, number)[0])
    assert {one["reason_code"] for one in said["rules"]} == {"approval_missing"}
    assert (await home.visit(PRODUCTION)).status_code == 404


async def test_promote_rollback_and_the_stops_between(home: House) -> None:
    number = await ready(home)
    await ended(home, await write(home, number, "/promote production", "meg"))
    await home.shows(PRODUCTION, "hello one")
    await ended(home, await write(home, number, "/logs production"))
    await ended(home, await write(home, number, "/status production"))
    assert "| production |" in answers(home, number)[-1]

    await ended(home, await write(home, number, "/freeze production --for=2d --reason=holidays", "meg"))
    assert (await refused(home, number, "/promote production", "meg"))["reason_code"] == "frozen"
    await ended(home, await write(home, number, "/unfreeze production --reason=over", "meg"))

    await ended(home, await write(home, number, "/hold production --reason=watching", "bob"))
    assert (await refused(home, number, "/promote production", "meg"))["reason_code"] == "held"
    await ended(home, await write(home, number, "/unhold production", "meg"))

    await ended(home, await write(home, number, "/lock production --reason=mine", "bob"))
    said = await refused(home, number, "/promote production", "meg")
    assert (said["reason_code"], said["next"]) == ("locked", "/unlock production")
    await ended(home, await write(home, number, "/unlock production", "meg"))
    assert len(answers(home, number)) == 5


async def test_one_command_goes_back(home: House) -> None:
    number = await ready(home)
    await ended(home, await write(home, number, "/promote production", "meg"))
    await home.push(TWO)
    sha = home.github.hub.pull(home.repo, number).head_sha
    await home.says(number, "is live", sha[:7])
    await home.github.review(home.repo, number, "bob")

    async def checked() -> bool | None:
        return True if [one for one in home.checks(sha) if one.conclusion == "success"] else None

    await eventually(checked)
    await ended(home, await write(home, number, "/promote production", "meg"))
    await home.shows(PRODUCTION, "hello two")

    await ended(home, await write(home, number, "/rollback production --reason=broken", "meg"))

    await home.shows(PRODUCTION, "hello one")
    assert answers(home, number) == []


async def test_the_buttons_are_commands_bound_to_their_commit(home: House) -> None:
    number = await ready(home)
    (check,) = home.checks(home.github.hub.pull(home.repo, number).head_sha)
    assert [one["identifier"] for one in check.actions] == ["promote", "rollback", "rebuild"]

    await home.github.press(check.id, "promote", "ann")

    async def told() -> str | None:
        return next(iter(answers(home, number)), None)

    assert twin(await eventually(told))["reason_code"] == "not_permitted"

    await home.github.press(check.id, "promote", "meg")

    await home.shows(PRODUCTION, "hello one")


async def test_an_old_button_does_not_promote_a_newer_commit(home: House) -> None:
    number = await ready(home)
    (check,) = home.checks(home.github.hub.pull(home.repo, number).head_sha)
    await home.push(TWO)
    await home.says(number, "is live", home.github.hub.pull(home.repo, number).head_sha[:7])
    await home.github.review(home.repo, number, "bob")

    await home.github.press(check.id, "promote", "meg")

    async def told() -> str | None:
        return next(iter(answers(home, number)), None)

    assert twin(await eventually(told))["state"] == "refused"
    assert (await home.visit(PRODUCTION)).status_code == 404


async def test_the_rebuild_button_builds_again(home: House) -> None:
    number = await live(home)
    (check,) = home.checks(home.github.hub.pull(home.repo, number).head_sha)

    await home.github.press(check.id, "rebuild", "ann")

    async def rebuilt() -> bool | None:
        return True if len(home.checks(check.suite.sha)) == 2 else None

    await eventually(rebuilt)


async def test_a_failed_redeploy_ends_with_a_thumb_down(home: House) -> None:
    number = await home.propose({**SERVER, "app.py": "import nowhere\n"})
    await home.says(number, "failed")

    await ended(home, await write(home, number, "/redeploy"), NO)

    await quiet(home)
    assert answers(home, number) == []


async def test_a_command_waits_for_no_build_of_its_pull_request(home: House) -> None:
    number = await home.propose({**SERVER, "app.py": "import time; time.sleep(20)\n" + SERVER["app.py"]})
    await home.says(number, "Starting")

    await ended(home, await write(home, number, "/status"))


async def test_strangers_get_silence_and_collaborators_an_answer(home: House) -> None:
    await staff(home)
    number = await live(home)
    stranger = await write(home, number, "/help", "eve")
    await quiet(home)
    home.github.grant(home.repo, "eve", "triage")

    said = await refused(home, number, "/teardown", "eve")

    assert reactions(home, stranger) == []
    assert said["rules"][0]["actual"] == "triage"
    assert "write" in said["rules"][0]["required"]
    assert all(ANSWERS in body for body in home.comments(number)[1:])
