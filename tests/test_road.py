"""The main road, end to end: real git over HTTP, real processes, real SQLite, signed webhooks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import col, select

from bot.errands import look
from bot.models import Delivery, State, Work
from bot.store import deployments
from tests.house import SERVER, House, eventually, house

pytestmark = pytest.mark.slow
DONE = col(Delivery.state) == Work.DONE
DIES = """\
import http.server, os
http.server.BaseHTTPRequestHandler.do_POST = lambda self: os._exit(3)
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def test_a_pull_request_becomes_live_and_is_told(home: House) -> None:
    number = await home.propose(SERVER)

    await home.shows(home.host(number), "hello one")
    body = await home.says(number, "is live")
    twin, pull = home.twin(number), home.github.hub.pull(home.repo, number)
    assert twin["sha"] == pull.head_sha
    assert twin["url"] in body
    assert pull.head_sha[:7] in body

    async def told() -> bool | None:
        ended = [one for one in home.checks(pull.head_sha) if one.conclusion == "success"]
        remote = home.remote(pull.head_sha)
        return True if ended and remote and remote[-1].state == "success" else None

    await eventually(told)
    names = {one.name for one in home.checks(pull.head_sha, None)}
    assert names == {"slipway/preview", "slipway/gate"}
    (remote,) = home.remote()
    assert (remote.environment, remote.ref, remote.transient) == ("preview", pull.head_sha, True)


async def test_the_address_answers_before_the_app_does(home: House) -> None:
    slow = {**SERVER, "app.py": "import time; time.sleep(2)\n" + SERVER["app.py"]}
    number = await home.propose(slow)

    async def page() -> int | None:
        answer = await home.visit(home.host(number))
        return answer.status_code if answer.status_code == 503 else None

    await eventually(page)
    await home.shows(home.host(number), "hello one")


async def test_a_second_push_takes_over_without_a_failed_request(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    seen: set[tuple[int, str]] = set()
    done = asyncio.Event()

    async def knock() -> None:
        while not done.is_set():
            answer = await home.visit(home.host(number))
            seen.add((answer.status_code, answer.text))

    knocking = [asyncio.create_task(knock()) for _ in range(4)]
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.shows(home.host(number), "hello two")
    done.set()
    await asyncio.gather(*knocking)

    assert seen <= {(200, "hello one"), (200, "hello two")}
    await home.says(number, "is live", home.github.hub.pull(home.repo, number).head_sha[:7])
    assert len(home.comments(number)) == 1


async def test_the_commits_own_address_wakes_it_after_it_was_replaced(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    first = home.github.hub.pull(home.repo, number).head_sha
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.shows(home.host(number), "hello two")

    await home.shows(f"c-{first[:7]}--shop--acme.localhost", "hello one")


async def test_the_same_tree_is_not_built_twice(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    first = home.github.hub.pull(home.repo, number).head_sha

    second = await home.push({})

    assert first != second
    await home.says(number, second[:7], "nothing to build")


async def test_closing_removes_everything_and_says_so(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")

    await home.github.close_pull(home.repo, number)

    body = await home.says(number, "removed", "nothing is left")
    assert "1 instance" in body
    assert (await home.visit(home.host(number))).status_code == 410

    async def inactive() -> bool | None:
        return True if home.remote()[-1].state == "inactive" else None

    await eventually(inactive)
    assert list((home.settings.home / "instances").glob("*")) == []


async def test_reopening_brings_it_back(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.github.close_pull(home.repo, number)
    await home.says(number, "nothing is left")

    await home.github.reopen(home.repo, number)

    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")
    assert len(home.comments(number)) == 1


async def test_a_failure_is_told_with_its_place_and_the_old_one_serves_on(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")

    bad = await home.push({"app.py": "import nowhere\n"})

    body = await home.says(number, "failed", "app.py", "Meanwhile")
    assert "nowhere" in body
    assert (await home.visit(home.host(number))).text == "hello one"

    async def failed() -> bool | None:
        return True if [one.conclusion for one in home.checks(bad)] == ["failure"] else None

    await eventually(failed)
    assert home.twin(number)["error"]["line"] == 1


async def test_five_pushes_in_two_seconds_leave_only_the_last_live(home: House) -> None:
    number = await home.propose(SERVER)
    shas = [home.github.hub.pull(home.repo, number).head_sha]
    for n in range(5):
        shas.append(await home.push({"app.py": SERVER["app.py"].replace("one", f"number {n}")}))
        await asyncio.sleep(0.3)

    await home.shows(home.host(number), "hello number 4")
    await home.says(number, "is live", shas[-1][:7])

    async def ended() -> bool | None:
        runs = [one for sha in shas for one in home.checks(sha, None)]
        return True if runs and all(one.status == "completed" for one in runs) else None

    await eventually(ended)
    assert [one.conclusion for one in home.checks(shas[-1])] == ["success"]
    assert len(home.comments(number)) == 1

    async def alone() -> bool | None:
        running = [path.name for path in (home.settings.home / "instances").iterdir()]
        return True if running == [home.twin(number)["deployment"]] else None

    await eventually(alone)


async def test_a_fork_is_not_run_and_the_check_says_how(home: House) -> None:
    fork = (await home.github.fork(home.repo, "eve")).full_name
    await home.github.branch_commit(fork, "evil", SERVER, "Take it", author="eve")
    number = await home.github.open_pull(fork, "evil", "main", "Free gift", "", "eve", fork_of=home.repo)

    body = await home.says(number, "was not run", "fork")

    assert home.twin(number)["reason_code"] == "fork"
    sha = home.github.hub.pull(home.repo, number).head_sha
    (check,) = home.checks(sha)
    assert (check.status, check.conclusion) == ("completed", "action_required")
    assert "branch of this repository" in body
    assert not (home.settings.home / "instances").exists()


async def test_an_agent_is_named(home: House) -> None:
    home.github.user("Copilot", 198982749, "Bot")
    home.github.grant(home.repo, "Copilot", "write")

    number = await home.propose(SERVER, branch="copilot/change", user="Copilot")

    await home.says(number, "Written by", "Copilot")


async def test_a_rerun_builds_again_with_a_new_check_run(home: House) -> None:
    number = await home.propose(SERVER)
    sha = home.github.hub.pull(home.repo, number).head_sha
    await home.says(number, "is live")

    async def ended(count: int) -> bool | None:
        states = [one.status for one in home.checks(sha)]
        return True if states == ["completed"] * count else None

    await eventually(lambda: ended(1))
    await home.github.rerequest(home.checks(sha)[0].id)
    await eventually(lambda: ended(2))


async def test_a_restart_finds_its_previews_again(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")

    await home.stop()
    await home.start()

    assert (await home.visit(home.host(number))).text == "hello one"
    assert len(home.comments(number)) == 1


async def test_what_was_missed_while_we_were_down_is_found(home: House) -> None:
    await home.stop()
    number = await home.propose(SERVER)
    await home.github.settled()

    await home.start()

    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")


async def test_web_and_worker_may_be_two_processes(home: House) -> None:
    await home.stop()
    await home.start(apart=True)
    number = await home.propose(SERVER)

    await home.shows(home.host(number), "hello one")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.shows(home.host(number), "hello two")
    await home.says(number, "is live")


async def test_an_idle_preview_sleeps_and_the_next_request_wakes_it(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")
    deployment = home.twin(number)["deployment"]
    assert home.service is not None

    await home.service.previews.sleep(deployment)
    await home.says(number, "asleep")

    assert (await home.visit(home.host(number))).text == "hello one"


async def test_an_expired_preview_is_gone_and_a_push_brings_it_back(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")
    assert home.service is not None

    await home.service.previews.expire(home.twin(number)["deployment"])

    await home.says(number, "removed after a long rest")
    assert (await home.visit(home.host(number))).status_code == 410
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.shows(home.host(number), "hello two")


async def test_a_late_look_does_not_bring_an_expired_preview_back_and_opening_it_again_does(home: House) -> None:
    number = await home.propose(SERVER)
    await home.says(number, "is live")
    assert home.service is not None
    store, project = home.service.store, home.github.hub.repo(home.repo).id
    await home.service.previews.expire(home.twin(number)["deployment"])
    await home.says(number, "removed after a long rest")

    late = look(project, number, "late")
    await home.service.send(late)

    async def looked() -> str | None:
        return await store.read(lambda s: s.exec(select(Delivery.guid).where(Delivery.guid == late.guid, DONE)).first())

    await eventually(looked)
    standing = await store.read(deployments.standing, project, number)
    assert standing is not None and standing.newest is not None and standing.newest.state is State.REMOVED
    await home.github.close_pull(home.repo, number)
    await home.github.reopen(home.repo, number)
    await home.shows(home.host(number), "hello one")


async def test_an_instance_that_died_is_started_again_by_the_next_visitor(home: House) -> None:
    number = await home.propose({**SERVER, "app.py": DIES + SERVER["app.py"]})
    await home.shows(home.host(number), "hello one")
    with contextlib.suppress(httpx.TransportError):
        await home.visit(home.host(number), "/", method="POST")  # its own way to die

    await home.shows(home.host(number), "hello one")


async def test_uninstalling_removes_everything(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")

    await home.github.uninstall("acme")

    async def gone() -> bool | None:
        return True if list((home.settings.home / "instances").glob("*")) == [] else None

    await eventually(gone)
    assert (await home.visit(home.host(number))).status_code == 410


async def test_a_renamed_repository_keeps_its_previews(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    sha = home.github.hub.pull(home.repo, number).head_sha

    async def told() -> bool | None:  # what was made under one name and told under the other, the judge can't follow
        every = home.checks(sha, None)
        return True if len(every) > 1 and all(one.status == "completed" for one in every) else None

    await eventually(told)
    await home.github.rename_repository(home.repo, "store")

    await home.shows(f"pr-{number}--store--acme.localhost", "hello one")
    assert (await home.visit(home.host(number))).text == "hello one"
