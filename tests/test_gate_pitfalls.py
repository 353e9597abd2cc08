"""The required check where tools of this kind were broken: it always ends, and no way leads to an old success."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import Session, select

from bot.github import Repository
from bot.messages.gate import GATE
from bot.models import Delivery, Gate, Project, Work
from bot.reports.gate import Gates
from bot.store import deployments, gates
from tests.house import House, eventually, house
from tests.test_gate import concludes, green, head, policy, runs

pytestmark = pytest.mark.slow
PAGE = {"index.html": "<h1>one</h1>"}
SOAK = "environments: {production: {soak: 1d, approvals: {count: 0}}}\n"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """P8, for each of these tests: what has ended is never opened or changed again."""
    async with house(tmp_path) as one:
        for login in ("rita", "adam"):
            one.github.user(login)
        one.github.grant(one.repo, "rita", "write")
        one.github.grant(one.repo, "adam", "admin")
        yield one
        assert changed_after_their_end(one) == []


def changed_after_their_end(home: House) -> list[str]:
    ended: set[str] = set()
    wrong = []
    ours = {
        f"/repos/{home.repo}/check-runs/{one.id}"
        for one in home.github.hub.repo(home.repo).checks.values()
        if one.name == GATE
    }
    for call in home.github.calls:
        if call.method != "PATCH" or call.path not in ours:
            continue
        wrong += [call.path] if call.path in ended else []
        if call.body.get("status") == "completed":
            ended.add(call.path)
    return wrong


async def write(home: House, change: Callable[[Session], None]) -> None:
    assert home.service is not None
    await home.service.store.write(change)


async def ask(home: House, sha: str, reason: str = "a test") -> None:
    project = home.github.hub.repo(home.repo).id
    assert home.service is not None
    await home.service.store.write(gates.ask, project, sha, reason, home.service.clock())


async def says(home: House, sha: str, words: str) -> Any:
    """The newest run of the gate, once its title has these words."""

    async def look() -> Any:
        every = runs(home, sha)
        return every[-1] if every and words in every[-1].title else None

    return await eventually(look)


async def point(home: House, sha: str) -> None:
    """A push with force."""
    repo = home.github.hub.repo(home.repo)
    async with repo.git.writing:
        before = await repo.git.refs()
        await repo.git.point("refs/heads/change", sha)
        await home.github.refs_changed(repo, before, home.github.user("ann"))


async def test_retargeted_it_is_pending_before_any_success(home: House) -> None:
    """P4: approved for a weak branch, then aimed at another."""
    number = await home.propose(PAGE)
    sha = await green(home, number)
    before, known = len(home.github.calls), {one.id for one in runs(home, sha)}

    await home.github.branch_commit(home.repo, "weak", {"other.txt": "x"}, "Weak", author="rita")
    await home.github.edit_base(home.repo, number, "weak", "ann")

    async def again() -> Any:
        newer = [one for one in runs(home, sha) if one.id not in known]
        return newer[-1] if newer and newer[-1].conclusion == "success" else None

    await eventually(again)
    since = [call for call in home.github.calls[before:] if call.path.startswith(f"/repos/{home.repo}/")]
    opened = next(n for n, one in enumerate(since) if one.method == "POST" and one.path.endswith("/check-runs"))
    looked = next(n for n, one in enumerate(since) if "/reviews" in one.path)
    assert opened < looked
    assert since[opened].body["status"] == "in_progress"


async def test_pushed_back_with_force_the_old_success_does_not_wait_there(home: House) -> None:
    """P3: whatever changed meanwhile, the old commit is judged anew."""
    number = await home.propose(PAGE)
    first = await green(home, number)
    await home.push({"index.html": "<h1>two</h1>"})
    await concludes(home, first, "cancelled")

    await point(home, first)

    await concludes(home, first, "success")


async def test_closed_and_opened_again_it_is_judged_anew(home: House) -> None:
    number = await home.propose(PAGE)
    sha = await green(home, number)
    await home.github.close_pull(home.repo, number, "ann")
    await concludes(home, sha, "cancelled")

    await home.github.reopen(home.repo, number, "ann")

    await concludes(home, sha, "success")


async def test_a_page_of_checks_that_fails_never_ends_in_success(home: House) -> None:
    """P9: 502 in the middle of what GitHub lists; a person has to look once it was waited for."""
    broken = True

    def fails(call: web.Request) -> web.Response | None:
        listing = call.method == "GET" and call.path.endswith("/check-runs") and call.query.get("filter") == "latest"
        return web.Response(status=502) if broken and listing else None

    home.trouble.instead = fails
    number = await home.propose(PAGE)
    sha = head(home, number)
    await home.says(number, "is live")
    await home.github.review(home.repo, number, "rita")
    assert (await says(home, sha, "1 of")).status == "in_progress"

    def long_ago(session: Session) -> None:
        for row in session.exec(select(Gate)):
            row.opened_at -= 4000
            session.add(row)

    await write(home, long_ago)
    await ask(home, sha)
    await concludes(home, sha, "action_required")
    assert "success" not in [one.conclusion for one in runs(home, sha)]

    broken = False
    await home.github.rerequest(runs(home, sha)[-1].id, "ann")
    await concludes(home, sha, "success")


async def test_rerun_asks_again_and_builds_nothing(home: House) -> None:
    number = await home.propose(PAGE)
    sha = await green(home, number)
    before, built = len(runs(home, sha)), len(home.remote(sha))

    await home.github.rerequest(runs(home, sha)[-1].id, "ann")

    async def again() -> bool | None:
        every = runs(home, sha)
        return True if len(every) > before and every[-1].conclusion == "success" else None

    await eventually(again)
    assert len(home.remote(sha)) == built


async def test_cut_off_after_github_heard_how_it_ends_a_new_run_is_opened(home: House) -> None:
    """P8: killed between the answer and the books."""
    sha = await green(home, await home.propose(PAGE))
    was = runs(home, sha)[-1].id
    await write(home, lambda session: cut_off(session, sha))

    await ask(home, sha)

    async def again() -> bool | None:
        every = runs(home, sha)
        return True if every[-1].id != was and every[-1].conclusion == "success" else None

    await eventually(again)


async def test_cut_off_before_github_heard_it_the_same_run_goes_on(home: House) -> None:
    await policy(home, SOAK)
    number = await home.propose(PAGE)
    sha = head(home, number)
    await home.says(number, "is live")
    await says(home, sha, "soak")
    (only,) = runs(home, sha)
    await write(home, lambda session: cut_off(session, sha))

    await policy(home, "environments: {production: {approvals: {count: 0}}}\n")

    assert (await concludes(home, sha, "success")).id == only.id


def cut_off(session: Session, sha: str) -> None:
    row = session.exec(select(Gate).where(Gate.sha == sha)).one()
    row.conclusion = "ending"
    session.add(row)


async def test_a_soak_ends_by_itself_although_something_came_between(home: House) -> None:
    await policy(home, "environments: {production: {soak: 4s, approvals: {count: 0}}}\n")
    number = await home.propose(PAGE)
    sha = head(home, number)
    await home.says(number, "is live")
    await says(home, sha, "soak")
    await home.github.review(home.repo, number, "rita")
    await concludes(home, sha, "success")


async def test_a_label_decides_nothing(home: House) -> None:
    """P22."""
    number = await home.propose(PAGE)
    sha = head(home, number)
    await home.says(number, "is live")
    await concludes(home, sha, "action_required")
    before = len(runs(home, sha))

    await home.github.label(home.repo, number, "approved", "ann")

    def heard(session: Session) -> bool:
        return bool(
            session.exec(select(Delivery).where(Delivery.action == "labeled", Delivery.state == Work.DONE)).all()
        )

    async def done() -> bool | None:
        assert home.service is not None
        return True if await home.service.store.read(heard) else None

    await eventually(done)
    assert len(runs(home, sha)) == before
    assert runs(home, sha)[-1].conclusion == "action_required"


async def test_the_check_of_a_fork_ends_and_says_why(home: House) -> None:
    fork = (await home.github.fork(home.repo, "eve")).full_name
    sha = await home.github.branch_commit(fork, "gift", PAGE, "Take it", author="eve")
    await home.github.open_pull(fork, "gift", "main", "Free gift", "", "eve", fork_of=home.repo)

    ended = await concludes(home, sha, "action_required")
    assert "fork" in ended.title


async def test_a_service_that_the_policy_names_is_asked_and_no_answer_denies(home: House) -> None:
    asked = asyncio.Event()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/decide"
        check = f"extra_checks: [{{webhook: '{url}', timeout: 1s}}]"
        await policy(home, f"environments: {{production: {{approvals: {{count: 0}}, {check}}}}}\n")
        number = await home.propose(PAGE)
        await home.says(number, "is live")

        await asyncio.wait_for(asked.wait(), 30)
        await says(home, head(home, number), "1 of")
        assert "success" not in [one.conclusion for one in runs(home, head(home, number))]


async def test_an_answer_that_got_lost_leaves_no_second_run(home: House) -> None:
    """P36: GitHub made the run and we did not hear it."""
    lost = home.trouble.lose("POST", "/check-runs", 2)
    number = await home.propose(PAGE)
    await concludes(home, head(home, number), "action_required")
    assert lost() == 2
    assert all(one.status == "completed" for one in runs(home, head(home, number)))


async def test_a_head_replaced_before_its_run_stood_in_the_books_is_not_left_pending(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, pushing = Gates._open, dict[str, asyncio.Task[str]]()
    number = asyncio.get_running_loop().create_future()

    async def push() -> str:
        newer = await home.push({"index.html": "<h1>two</h1>"})
        assert home.service is not None
        project, read = home.github.hub.repo(home.repo).id, home.service.store.read

        async def known() -> str | None:
            standing = await read(deployments.standing, project, await number)
            return newer if standing is not None and standing.pull.head_sha == newer else None

        return await eventually(known)

    async def late(self: Gates, repository: Repository, project: Project, sha: str) -> Gate:
        if not pushing:
            pushing["first"] = asyncio.create_task(push())
        await asyncio.shield(pushing["first"])  # who is asked twice at once waits for the same push
        return await opening(self, repository, project, sha)

    monkeypatch.setattr(Gates, "_open", late)
    number.set_result(await home.propose(PAGE))
    old = head(home, await number)

    async def replaced() -> str | None:
        return await pushing["first"] if pushing else None

    await concludes(home, await eventually(replaced), "action_required")

    async def ended() -> bool | None:
        return True if all(one.status == "completed" for one in runs(home, old)) else None

    await eventually(ended, 15)  # sooner than the clock asks again
    assert [one.conclusion for one in runs(home, old)] == ["cancelled"]
