"""Agents, end to end: their limits, the loop breaker, the kill switch, and what they may command (P14, P15, P16)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.models import AgentFreeze, Delivery, Deployment, State, Work
from bot.store import audit, policies
from tests.house import PAGE, SERVER, House, eventually, house
from tests.talk import answers, ended, last_comment, live, quiet, reactions, refused, send, staff, twin, write

pytestmark = pytest.mark.slow
ROBO = "robo[bot]"
NUMBER, APP = 5_550_001, 424_242
BROKEN = {"app.py": "import nothing_like_this\n", "Procfile": SERVER["Procfile"]}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        one.github.user(ROBO, id=NUMBER, type="Bot")
        await staff(one)
        yield one


async def rule(home: House, text: str) -> None:
    """The default branch says this now, and Slipway knows."""
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "Policy", author="meg")
    key = f"project:{home.github.hub.repo(home.repo).id}"

    async def known() -> bool | None:
        assert home.service is not None
        row = await home.service.store.read(policies.text_of, key)
        return True if row is not None and row.text == text.encode() else None

    await eventually(known)


async def change(home: House, fn: Any) -> Any:
    assert home.service is not None
    return await home.service.store.write(fn)


async def told(home: House, number: int, reason: str) -> dict[str, Any]:
    """Wait until the sticky comment gives that reason; its machine-readable twin."""
    await home.says(number, f'"reason_code":"{reason}"')
    return home.twin(number)


async def ends(home: House, number: int, conclusion: str) -> Any:
    """Wait until the newest check at the head has ended like that."""
    sha = home.github.hub.pull(home.repo, number).head_sha

    async def looked() -> Any:
        found = home.checks(sha)
        return found[-1] if found and found[-1].conclusion == conclusion else None

    return await eventually(looked)


async def books(home: House) -> str:
    assert home.service is not None
    return "\n".join(await home.service.store.read(lambda session: [one.payload for one in audit.lines(session)]))


async def test_who_pushes_too_often_waits_and_is_tried_again_by_itself(home: House) -> None:
    await rule(home, "agents: {rate: {previews_per_hour: 1}}\n")
    await live(home, PAGE, user=ROBO, branch="one")
    number = await home.propose({"index.html": "<h1>two</h1>"}, branch="two", user=ROBO)

    said = await told(home, number, "rate_limited")
    check = await ends(home, number, "action_required")

    assert (said["error"]["actual"], said["error"]["required"]) == ("1 in an hour", "1 an hour")
    assert said["error"]["rule"] == "rate"
    assert 0 < said["retry_after"] <= 3600
    assert said["limits"]["previews_per_hour"] == 1
    assert "rate_limited" in (check.text or "")

    newest = await home.push({"index.html": "<h1>three</h1>"}, branch="two", user=ROBO)
    await home.says(number, newest[:7], "rate_limited")
    await change(home, an_hour_passes)

    await home.says(number, "is live", newest[:7])
    await home.shows(home.host(number), "three")


def an_hour_passes(session: Session) -> None:
    for row in session.exec(select(Deployment)):
        row.admitted_at = row.admitted_at and row.admitted_at - 3600
        if row.failure:
            row.failure = {**row.failure, "retry_at": 0.0}
        session.add(row)
    for one in session.exec(select(Delivery).where(col(Delivery.state) == Work.QUEUED)):
        one.run_at = 0.0
        session.add(one)


async def test_the_loop_breaker_stops_a_machine_and_a_person_lets_it_on(home: House) -> None:
    await rule(home, "agents: {rate: {attempts_per_pr: 2}}\n")
    number = await home.propose(BROKEN, user=ROBO)
    first = await told(home, number, "start_failed")
    await home.push({"app.py": "import nothing_like_that\n"}, user=ROBO)
    await home.says(number, "nothing_like_that")
    second = home.twin(number)
    await home.push({"app.py": "import nor_this\n"}, user=ROBO)
    stopped = await told(home, number, "attempts_exhausted")
    await ends(home, number, "action_required")

    assert first["error"]["class"] == "ModuleNotFoundError"
    assert (first["error"]["path"], first["error"]["line"]) == ("app.py", 1)
    assert "nothing_like_this" in first["error"]["log"] and first["error"]["log_trusted"] is False
    assert [one["limits"]["attempt"] for one in (first, second)] == [1, 2]
    assert stopped["error"]["actual"] == "2 failed in a row"
    assert "/redeploy" in stopped["error"]["hint"]

    comment = await write(home, number, "/redeploy", "ann")
    await home.says(number, "nor_this", "start_failed")
    await ended(home, comment, "-1")
    assert home.twin(number)["limits"]["attempt"] == 1


async def test_a_person_who_pushes_gives_new_attempts_and_a_trailer_does_not(home: House) -> None:
    await rule(home, "agents: {rate: {attempts_per_pr: 1}}\n")
    number = await home.propose(BROKEN, user=ROBO)
    await told(home, number, "start_failed")
    trailer = "Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>"
    await home.github.branch_commit(home.repo, "change", {"app.py": "import a_b\n"}, trailer, author="ann")
    await told(home, number, "attempts_exhausted")

    await home.push(SERVER, user="ann")

    await home.says(number, "is live")


async def test_agents_without_a_right_to_previews_get_one_when_a_person_asks(home: House) -> None:
    await rule(home, "agents: {may: {preview: false}}\n")
    number = await home.propose(PAGE | {"a.html": "a"}, user=ROBO)
    await told(home, number, "agent_not_permitted")
    await ends(home, number, "action_required")

    comment = await write(home, number, "/preview", "bob")

    await ended(home, comment)
    await home.says(number, "is live")
    people = await live(home, PAGE | {"b.html": "b"}, branch="of-ann", user="ann")
    assert home.twin(people)["agent"] is None


async def test_only_so_many_run_at_once_and_the_least_recently_used_sleeps(home: House) -> None:
    await rule(home, "environments: {preview: {per_agent: 1}}\n")
    first = await live(home, SERVER, user=ROBO, branch="one")
    theirs = await live(home, SERVER | {"b.txt": "b"}, user="ann", branch="ann")
    second = await live(home, SERVER | {"c.txt": "c"}, user=ROBO, branch="two")

    await home.says(first, "asleep")
    assert "asleep" not in home.comments(second)[0] and "asleep" not in home.comments(theirs)[0]

    await home.shows(home.host(first), "hello one")
    await home.says(second, "asleep")


async def test_the_kill_switch_ends_what_is_built_puts_to_sleep_what_runs_and_is_lifted(home: House) -> None:
    number = await live(home, SERVER, user=ROBO, branch="one")
    slow = SERVER | {"requirements.txt": "", "app.py": "import time; time.sleep(60)\n"}
    building = await home.propose(slow, branch="two", user=ROBO)
    await home.says(building, "Starting")

    comment = await write(home, number, f'/freeze "agent:{ROBO}" --reason="it runs wild" --for=2h', "meg")
    await ended(home, comment)
    stopped = await told(home, building, "agent_frozen")
    await ends(home, building, "cancelled")
    await home.says(number, "asleep")

    barred = await home.visit(home.host(number))
    assert (barred.status_code, "it runs wild" in barred.text) == (403, True)
    assert "it runs wild" in stopped["error"]["message"]
    sha = await home.push({"a.txt": "a"}, branch="one", user=ROBO)
    assert (await told(home, number, "agent_frozen"))["sha"] == sha
    await ends(home, number, "action_required")
    people = await live(home, PAGE | {"b.html": "b"}, branch="ann", user="ann")
    status = await write(home, people, "/status", "ann")
    await ended(home, status)
    assert "it runs wild" in answers(home, people)[-1]

    lifted = await write(home, number, f'/unfreeze "agent:{ROBO}" --reason=better', "meg")
    await ended(home, lifted)
    await home.says(number, "is live", sha[:7])
    lines = await books(home)
    assert '"what":"agent.frozen"' in lines and '"what":"agent.unfrozen"' in lines


async def test_a_freeze_is_kept_by_number_and_survives_a_new_name(home: House) -> None:
    """P15: the account was renamed; a person who takes the old name over is not frozen."""
    number = await live(home, PAGE, user=ROBO)
    await ended(home, await write(home, number, f'/freeze "agent:{ROBO}" --reason=wild', "meg"))
    home.github.hub.user(ROBO).login = "other[bot]"

    await home.push({"index.html": "two"}, user=ROBO)

    await told(home, number, "agent_frozen")
    rows = await change(home, lambda session: [one.agent_id for one in session.exec(select(AgentFreeze))])
    assert rows == [NUMBER]


@pytest.mark.parametrize(("who", "reason"), [("nobody-at-all", "unknown_agent"), ("bob", "unknown_agent")])
async def test_a_freeze_that_would_hit_nobody_is_refused(home: House, who: str, reason: str) -> None:
    number = await live(home, PAGE, user="ann")

    said = await refused(home, number, f"/freeze agent:{who} --reason=wild", "meg")

    assert said["reason_code"] == reason


async def test_only_maintainers_hold_the_kill_switch(home: House) -> None:
    number = await live(home, PAGE, user=ROBO)

    said = await refused(home, number, f'/freeze "agent:{ROBO}" --reason=x', "ann")

    assert said["reason_code"] == "not_permitted"


async def say_as(home: House, number: int, body: str, *, id: int = NUMBER, app: int | None = APP, **more: Any) -> int:  # noqa: A002
    """A comment as GitHub tells of one that a machine wrote."""
    comment = await write(home, number, "talk", ROBO)
    payload = last_comment(home)
    payload["comment"]["body"] = body
    for who in (payload["comment"]["user"], payload["sender"]):
        who |= {"id": id, "type": "Bot", "login": ROBO, **more}
    payload["comment"]["performed_via_github_app"] = {"id": app} if app else None
    assert await send(home, "issue_comment", payload) == 202
    return comment


DECLARED = f"agents: {{identities: [{{user: {NUMBER}, name: robo}}], may: {{promote: [staging]}}}}\n"


async def test_a_declared_agent_previews_its_own_and_releases_nothing(home: House) -> None:
    await rule(home, DECLARED)
    number = await live(home, PAGE, user=ROBO)

    await ended(home, await say_as(home, number, "/status"))
    await ended(home, await say_as(home, number, "/teardown"))
    await ended(home, await say_as(home, number, "/preview"))
    await ended(home, comment := await say_as(home, number, "/promote production"), "-1")

    assert comment
    assert twin(answers(home, number)[-1])["reason_code"] == "agent_not_permitted"
    for body in ("/freeze production --reason=x --for=2h", "/rollback production --reason=x", "/hold production"):
        await ended(home, await say_as(home, number, body), "-1")
    theirs = await live(home, PAGE | {"b.html": "b"}, user="ann", branch="ann")
    await ended(home, await say_as(home, theirs, "/teardown"), "-1")


async def test_a_machine_nobody_declared_is_not_heard_whatever_it_is_called(home: House) -> None:
    """P14, P15: a name says nothing; the number of the account or of the app does."""
    await rule(home, DECLARED)
    number = await live(home, PAGE, user=ROBO)

    comments = [
        await say_as(home, number, "/status", id=77),
        await say_as(home, number, "/status", app=None),
        await say_as(home, number, "/status", id=77, app=1),  # our own app
        await say_as(home, number, "/status", app=1),
    ]

    await quiet(home)
    assert [reactions(home, one) for one in comments] == [[], [], [], []]
    assert answers(home, number) == []


async def test_a_persons_account_that_is_declared_is_a_machine(home: House) -> None:
    """P16: an agent with a person's token; who is declared promotes nothing and lifts nothing."""
    meg = home.github.user("meg").id
    await rule(home, f"agents: {{identities: [{{user: {meg}, name: meg-bot}}]}}\n")
    number = await live(home, PAGE, user="ann")

    said = await refused(home, number, "/promote production", "meg")

    assert said["reason_code"] == "agent_not_permitted"


async def test_two_machines_that_talk_to_each_other_end_in_silence(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P14"""
    monkeypatch.setattr("handlers.machine.MOST", 2)
    await rule(home, DECLARED)
    number = await live(home, PAGE, user=ROBO)

    for _ in range(2):
        await ended(home, await say_as(home, number, "/status"))
    silent = await say_as(home, number, "/status")

    await quiet(home)
    assert reactions(home, silent) == []
    assert len(answers(home, number)) == 2


async def test_an_agents_fork_is_not_run_unasked(home: House) -> None:
    """P21: being declared opens no door for a fork."""
    await rule(home, DECLARED)
    fork = (await home.github.fork(home.repo, ROBO)).full_name
    await home.github.branch_commit(fork, "change", {"index.html": "evil"}, "Change it", author=ROBO)
    number = await home.github.open_pull(fork, "change", "main", "A change", "", ROBO, fork_of=home.repo)
    await told(home, number, "fork")

    said = await say_as(home, number, "/preview")

    await ended(home, said, "-1")
    states = await change(home, lambda session: {one.state for one in session.exec(select(Deployment))})
    assert states == {State.REFUSED}


async def test_what_came_through_a_declared_app_is_its_work_whoever_it_is_called(home: House) -> None:
    """P16: an app that acts for a person is the app; GitHub says which, by number."""
    home.github.user("ann").name = "A person"
    await rule(home, f"agents: {{identities: [{{app: {APP}, name: robo}}], rate: {{previews_per_hour: 9}}}}\n")
    where, home.github.hook_url = home.github.hook_url, None
    number = await home.propose(PAGE | {"a.html": "a"}, user="ann")
    home.github.hub.pull(home.repo, number).via_app = APP
    await home.github.settled()
    home.github.hook_url = where

    await home.push({"a.html": "b"}, user="ann")

    await home.says(number, "is live", "robo")
    said = home.twin(number)
    assert (said["agent"], said["agent_id"]) == ("robo", home.github.user("ann").id)
    assert said["limits"]["previews_left"] == 8
