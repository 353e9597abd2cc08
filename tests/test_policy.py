"""Where the policy comes from, end to end: floor, organization, project; never the pull request that changes it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import Session, select

from bot.audit import verify
from bot.errors import Misconfigured, TryLater
from bot.models import AuditEntry, PolicyChange, Project
from bot.permissions.policies import FRESH_SECONDS, Held, Policies
from bot.policy import GATE, Facts
from bot.policy.terms import Effective
from bot.service import Service
from bot.store import audit, decisions, policies, projects
from tests.house import PAGE, House, eventually, house, stage
from tests.talk import refused

CHECK = "slipway/policy"
FILE = ".slipway.yml"
pytestmark = pytest.mark.slow
SHARED = "acme/.github"
OWN, ABOVE = "/repos/acme/shop/contents/", "/repos/acme/.github/contents/"
LIMITLESS = """
environments:
  production: {soak: 0s, approvals: {count: 0}, other_checks: ignored, author_may_promote: true}
  preview: {max_concurrent: 1000}
budgets: {limits: [{scope: project, period: month, limit: 1000000000}]}
"""


def soaks(seconds: int) -> str:
    return f"environments: {{production: {{soak: {seconds}s}}}}\n"


def soak(held: Held) -> int:
    return held.effective.terms("production").soak


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await known(one)
        yield one


def service(home: House) -> Service:
    assert home.service is not None
    return home.service


async def known(home: House) -> Project:
    """The project, once its first push has been dealt with."""

    async def looked() -> Project | None:
        return await service(home).store.read(projects.project, home.github.hub.repo(home.repo).id)

    return await eventually(looked)


async def holds(home: House, *, live: bool = True) -> Held:
    return await service(home).policies.held(await known(home), live=live)


async def say(home: House, text: str, repo: str | None = None, user: str = "ann") -> str:
    """The default branch says this now."""
    return await home.github.branch_commit(repo or home.repo, "main", {FILE: text}, "Policy", author=user)


async def heard(home: House, text: str | None, layer: str | None = None) -> float:
    """Wait until a layer has this text, with nobody asking; how many seconds that took."""
    key, began = layer or f"project:{home.github.hub.repo(home.repo).id}", time.monotonic()

    async def looked() -> bool | None:
        row = await service(home).store.read(policies.text_of, key)
        return True if row is not None and row.text == (text.encode() if text is not None else None) else None

    await eventually(looked)
    return time.monotonic() - began


async def checks(home: House, number: int, count: int = 1) -> list[Any]:
    """Wait until the head of a pull request has so many checks about its policy, oldest first."""
    sha = home.github.hub.pull(home.repo, number).head_sha

    async def looked() -> list[Any] | None:
        found = home.checks(sha, CHECK)
        return found if len(found) >= count else None

    return await eventually(looked)


async def way(home: House, number: int) -> policies.Way:
    """Wait for the verdict on a pull request's head."""
    sha, mine = home.github.hub.pull(home.repo, number).head_sha, await known(home)

    async def looked() -> policies.Way | None:
        return await service(home).store.read(policies.of_head, mine.id, number, sha)

    return await eventually(looked)


def answers(home: House, status: int, *places: str) -> None:
    """GitHub answers like this there."""

    def instead(request: web.Request) -> web.Response | None:
        bad = any(request.path.startswith(place) for place in places)
        return web.json_response({"message": "No"}, status=status) if bad else None

    home.trouble.instead = instead


# ---- layers


async def test_without_any_file_the_defaults_hold(home: House) -> None:
    assert await holds(home) == Held(Effective())


async def test_a_push_to_the_default_branch_holds_at_once(home: House) -> None:
    for seconds in (5, 6):
        await say(home, soaks(seconds))
        await home.github.settled()  # GitHub has our 202

        await heard(home, soaks(seconds))
        assert soak(await holds(home, live=False)) == seconds


async def test_a_push_elsewhere_changes_nothing(home: House) -> None:
    await home.push({FILE: LIMITLESS})
    await home.github.settled()

    assert await holds(home) == Held(Effective())


async def test_pushed_with_force_to_where_there_is_no_file_is_heard_too(home: House) -> None:
    repo = home.github.hub.repo(home.repo)
    first = await repo.git.resolve("heads/main")
    await say(home, soaks(5))
    await heard(home, soaks(5))

    async with repo.git.writing:
        before = await repo.git.refs()
        await repo.git.point("refs/heads/main", first)
        await home.github.refs_changed(repo, before, home.github.user("ann"))

    await heard(home, None)
    assert soak(await holds(home, live=False)) == 0


async def test_every_layer_only_tightens(tmp_path: Path) -> None:
    floor = tmp_path / "floor.yml"
    floor.write_text("environments: {production: {soak: 10s, approvals: {count: 1}}}")
    async with house(tmp_path, SLIPWAY_POLICY=floor) as home:
        await home.github.create_repository("acme", ".github", {FILE: "environments: {production: {soak: 20s}}"})
        await say(home, "environments: {production: {soak: 15s, approvals: {count: 0}, retention: {verified: 9}}}")

        held = await holds(home)

        terms, decided = held.effective.terms("production"), held.effective.decided
        assert (terms.soak, terms.approvals.count, terms.retention.verified) == (20, 1, 9)
        assert decided["environments.production.soak"] == ("organization",)
        assert decided["environments.production.approvals.count"] == ("server",)
        assert decided["environments.production.retention.verified"] == ("project",)
        assert held.commit is not None and held.fault is None


@pytest.mark.parametrize("text", [None, b"version: 2", b"\xff", b"a: [", b"x" * 70_000])
async def test_a_floor_that_is_no_policy_lets_nothing_start(tmp_path: Path, text: bytes | None) -> None:
    floor = tmp_path / "floor.yml"
    if text is not None:
        floor.write_bytes(text)
    async with stage(tmp_path, SLIPWAY_POLICY=floor) as home:
        with pytest.raises(Misconfigured, match="SLIPWAY_POLICY"):
            await home.start()
        await home.stop()


async def test_the_organizations_push_holds_for_all_its_projects_and_for_nobody_elses(home: House) -> None:
    for owner, name in (("acme", "desk"), ("acme", ".github"), ("other", "shop")):
        await home.github.create_repository(owner, name, PAGE)
    number = await home.propose({"index.html": "<h1>new</h1>"})
    await way(home, number)
    mine = await known(home)

    await say(home, soaks(7), repo=SHARED)
    await heard(home, soaks(7), f"organization:{mine.installation_id}")

    found = {}
    for name in ("acme/shop", "acme/desk", "other/shop"):
        one = await service(home).store.read(projects.project, home.github.hub.repo(name).id)
        assert one is not None
        found[name] = soak(await service(home).policies.held(one))
    assert found == {"acme/shop": 7, "acme/desk": 7, "other/shop": 0}


async def test_a_removed_file_says_nothing_any_more(home: House) -> None:
    await say(home, soaks(5))
    await heard(home, soaks(5))

    await home.github.branch_commit(home.repo, "main", {}, "Away", author="ann", delete=[FILE])
    await heard(home, None)

    assert await holds(home, live=False) == Held(Effective())


# ---- what is unknown


@pytest.mark.parametrize("place", [OWN, ABOVE])
@pytest.mark.parametrize("status", [500, 403, 410])
async def test_a_layer_that_can_not_be_read_is_a_fault_and_the_last_one_goes_on(
    home: House, place: str, status: int
) -> None:
    await home.github.create_repository("acme", ".github", {FILE: soaks(9)})
    await say(home, soaks(8))
    assert soak(await holds(home)) == 9
    answers(home, status, place)

    held = await holds(home)

    assert soak(held) == 9
    assert held.fault is not None and "could not be read" in held.fault.why
    answers(home, status)
    assert (await holds(home)).fault is None


async def test_without_a_token_nothing_counts_as_missing(home: House) -> None:
    """404 for a token means that the app is gone, not that there is no policy."""
    await say(home, soaks(8))
    await heard(home, soaks(8))
    fresh = Policies(home.settings, service(home).store, service(home).github, time.time)
    service(home).github._tokens._kept.clear()
    answers(home, 404, "/app/installations/")

    held = await fresh.held(await known(home), live=True)

    assert soak(held) == 8 and held.fault is not None


@pytest.mark.parametrize("text", ["version: 2\n", "environments: [\n", "no: &a no\n", "x" * 70_000])
@pytest.mark.parametrize("repo", ["acme/shop", SHARED])
async def test_what_is_no_policy_is_a_fault_and_the_last_valid_one_goes_on(home: House, repo: str, text: str) -> None:
    if repo == SHARED:
        await home.github.create_repository("acme", ".github", {FILE: soaks(9)})
    else:
        await say(home, soaks(9))
    assert soak(await holds(home)) == 9

    await say(home, text, repo=repo)
    held = await holds(home)

    assert soak(held) == 9
    assert held.fault is not None
    assert f"{FILE} on the default branch of {repo} is not valid: line" in held.fault.why


async def test_a_folder_in_its_place_is_a_fault(home: House) -> None:
    await home.github.branch_commit(home.repo, "main", {f"{FILE}/x": "1"}, "A folder", author="ann")

    held = await holds(home)

    assert held.fault is not None and "a folder" in held.fault.why


async def test_a_restart_forgets_neither_the_last_valid_text_nor_the_fault(home: House) -> None:
    await say(home, soaks(9))
    await heard(home, soaks(9))
    await say(home, "version: 2\n")
    await heard(home, "version: 2\n")

    await home.stop()
    await home.start()
    answers(home, 500, OWN, ABOVE)
    held = await holds(home, live=False)

    assert soak(held) == 9
    assert held.fault is not None
    row = await service(home).store.read(policies.text_of, f"project:{(await known(home)).id}")
    assert row is not None and row.fault is not None and "line 1" in row.fault


async def test_what_is_kept_serves_for_a_minute_and_live_always_asks(home: House) -> None:
    clock = [1_000_000.0]
    mine = await known(home)
    own = Policies(home.settings, service(home).store, service(home).github, lambda: clock[0])

    def asked() -> int:
        return sum(one.path.startswith(OWN) for one in home.github.calls)

    before = asked()
    for _ in range(3):
        await own.held(mine)
    assert asked() == before + 1
    await own.held(mine, live=True)
    assert asked() == before + 2
    clock[0] += FRESH_SECONDS
    await own.held(mine)  # nobody waits for it

    async def again() -> bool | None:
        return True if asked() == before + 3 else None

    await eventually(again)
    await own.close()


async def test_many_who_ask_at_once_share_an_answer_that_is_newer_than_their_question(home: House) -> None:
    mine = await known(home)
    own = Policies(home.settings, service(home).store, service(home).github, time.time)
    before = sum(one.path.startswith(OWN) for one in home.github.calls)

    await asyncio.gather(*(own.held(mine, live=True) for _ in range(10)))

    assert sum(one.path.startswith(OWN) for one in home.github.calls) == before + 2


async def test_a_preview_does_not_wait_for_a_slow_github(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await say(home, soaks(9))
    await heard(home, soaks(9))
    fresh = Policies(home.settings, service(home).store, service(home).github, time.time)
    monkeypatch.setattr("bot.permissions.policies.PATIENCE_SECONDS", 0.05)
    home.trouble.delay = lambda request: 3.0 if request.path.startswith(OWN) else 0.0
    began = time.monotonic()

    held = await fresh.held(await known(home))

    assert time.monotonic() - began < 2
    assert soak(held) == 9
    assert held.fault is not None and "slow" in held.fault.why


async def test_a_rate_limit_waits_for_production_and_not_for_previews(home: House) -> None:
    await say(home, soaks(9))
    await heard(home, soaks(9))

    def limited(request: web.Request) -> web.Response | None:
        slow = {"retry-after": "60"}
        return web.json_response({}, status=429, headers=slow) if request.path.startswith(OWN) else None

    home.trouble.instead = limited
    fresh = Policies(home.settings, service(home).store, service(home).github, time.time)

    assert soak(await fresh.held(await known(home))) == 9
    with pytest.raises(TryLater):
        await fresh.held(await known(home), live=True)


async def test_a_push_that_meets_a_broken_github_is_heard_when_it_is_back(home: House) -> None:
    answers(home, 500, OWN)
    await say(home, soaks(5))
    await home.github.settled()
    answers(home, 500)

    await heard(home, soaks(5))


async def test_the_books_say_who_changed_it_and_stay_whole(home: House) -> None:
    await say(home, soaks(5), user="bob")
    await heard(home, soaks(5))

    def read(session: Session) -> tuple[list[dict[str, Any]], object]:
        rows = [json.loads(row.payload) for row in session.exec(select(AuditEntry))]
        return [row for row in rows if row["what"] == "policy.changed"], verify(audit.lines(session), [])

    (entry,), problem = await service(home).store.read(read)
    assert entry["actor"]["login"] == "bob"
    assert entry["project"] == home.github.hub.repo(home.repo).id
    assert problem is None


# ---- a pull request that changes it


async def test_a_pull_request_is_judged_by_the_policy_that_it_wants_to_change(home: House) -> None:
    await say(home, soaks(900))
    number = await home.propose({FILE: LIMITLESS})

    (check,) = await checks(home, number)

    assert (check.conclusion, await way(home, number)) == ("action_required", "looser")
    assert "looser" in check.title and "environments.production.soak" in check.text
    held = await holds(home)
    assert (soak(held), held.effective.terms("production").approvals.count) == (900, 1)
    assert held.effective.budgets.limits == ()


async def test_a_weak_base_branch_sets_no_policy(home: House) -> None:
    """Read from the base, a policy could be had by proposing to a branch of one's own."""
    await say(home, soaks(900))
    await home.push({FILE: LIMITLESS}, branch="weak")
    await home.push({FILE: LIMITLESS, "index.html": "<h1>new</h1>"})
    number = await home.github.open_pull(home.repo, "change", "weak", "A change", "", "ann")

    assert await way(home, number) == "looser"
    assert soak(await holds(home)) == 900


async def test_a_tighter_one_succeeds(home: House) -> None:
    number = await home.propose({FILE: soaks(900)})

    (check,) = await checks(home, number)

    assert (check.conclusion, check.title) == ("success", "1 tighter")


async def test_an_agent_may_tighten_but_not_loosen(home: House) -> None:
    await say(home, soaks(900))
    trailers = ("Co-authored-by: Claude <noreply@anthropic.com>",)
    for branch, seconds, conclusion in (("one", 1, "failure"), ("two", 1000, "success")):
        await home.github.branch_commit(
            home.repo, branch, {FILE: soaks(seconds)}, "Change it", author="ann", trailers=trailers
        )
        number = await home.github.open_pull(home.repo, branch, "main", "A change", "", "ann")

        (check,) = await checks(home, number)

        assert check.conclusion == conclusion, check.title
        assert ("agent" in check.title) == (conclusion == "failure")


async def test_an_invalid_one_fails_and_says_where(home: House) -> None:
    number = await home.propose({FILE: "version: 1\nenvironments:\n  production:\n    soak: 15\n"})

    (check,) = await checks(home, number)

    assert (check.conclusion, await way(home, number)) == ("failure", "invalid")
    (spot,) = check.annotations
    assert (spot["path"], spot["start_line"], spot["annotation_level"]) == (FILE, 4, "failure")


async def test_a_fork_is_read_like_any_other(home: House) -> None:
    await say(home, soaks(900))
    await home.github.fork(home.repo, "eve")
    await home.github.branch_commit("eve/shop", "change", {FILE: soaks(1)}, "Looser", author="eve")
    number = await home.github.open_pull("eve/shop", "change", "main", "A change", "", "eve", fork_of=home.repo)

    (check,) = await checks(home, number)

    assert (check.conclusion, await way(home, number)) == ("action_required", "looser")


async def test_who_does_not_touch_it_has_no_check_even_from_an_old_base(home: House) -> None:
    await say(home, soaks(5))
    await heard(home, soaks(5))
    number = await home.propose({"index.html": "<h1>new</h1>"})
    await say(home, soaks(900))
    await heard(home, soaks(900))
    sha = await home.push({"index.html": "<h1>newer</h1>"})

    assert await way(home, number) == "none"
    assert home.checks(sha, CHECK) == []


async def test_removing_the_file_is_looked_at_too(home: House) -> None:
    await say(home, soaks(900))
    await home.github.branch_commit(home.repo, "change", {}, "Away", author="ann", delete=[FILE])
    number = await home.github.open_pull(home.repo, "change", "main", "A change", "", "ann")

    (check,) = await checks(home, number)

    assert (check.conclusion, check.title) == ("action_required", "1 looser")


async def test_a_newer_head_is_looked_at_by_itself(home: House) -> None:
    number = await home.propose({FILE: "nonsense: 1\n"})
    (first,) = await checks(home, number)
    await home.push({FILE: soaks(5)})
    (second,) = await checks(home, number)

    assert (first.conclusion, second.conclusion) == ("failure", "success")
    assert await way(home, number) == "tighter"


async def test_when_the_policy_moves_on_the_verdict_is_a_new_check(home: House) -> None:
    number = await home.propose({FILE: soaks(60)})
    (first,) = await checks(home, number)
    await say(home, soaks(900))
    _first, second = await checks(home, number, 2)

    assert (first.conclusion, second.conclusion) == ("success", "action_required")
    ended = [one for one in home.github.calls if one.method == "PATCH" and one.path.endswith(f"check-runs/{first.id}")]
    assert ended == []


async def test_back_to_an_earlier_verdict_is_a_new_check_too(home: House) -> None:
    number = await home.propose({FILE: soaks(60)})
    for count, seconds in enumerate((900, 0, 900), start=1):
        await checks(home, number, count)
        await say(home, soaks(seconds))

    ends = [one.conclusion for one in await checks(home, number, 4)]
    assert ends == ["success", "action_required", "success", "action_required"]


async def test_what_the_default_branch_says_already_is_no_change_any_more(home: House) -> None:
    number = await home.propose({FILE: soaks(60)})
    await checks(home, number)
    await say(home, soaks(60))
    _first, second = await checks(home, number, 2)

    assert (second.conclusion, second.title) == ("success", "The policy stays as it is")
    assert await way(home, number) == "none"


async def test_the_verdict_waits_for_a_github_that_is_down(home: House) -> None:
    """Compared with nothing, everything would look tighter."""
    await say(home, soaks(900))
    await heard(home, soaks(900))
    await home.github.create_repository("acme", ".github", PAGE)
    answers(home, 500, ABOVE)
    number = await home.propose({FILE: soaks(1)})
    await home.says(number, "is live")
    sha, mine = home.github.hub.pull(home.repo, number).head_sha, await known(home)
    assert await service(home).store.read(policies.of_head, mine.id, number, sha) is None

    answers(home, 500)
    (check,) = await checks(home, number)

    assert check.conclusion == "action_required"


async def test_an_answer_that_got_lost_makes_no_second_check(home: House) -> None:
    lost = home.trouble.lose("POST", "/check-runs", times=2)
    number = await home.propose({FILE: soaks(60)})
    await home.says(number, "is live")
    await checks(home, number)

    async def told() -> bool | None:
        def done(session: Session) -> bool:
            return session.exec(select(PolicyChange).where(PolicyChange.number == number)).one().told is not None

        return True if await service(home).store.read(done) else None

    await eventually(told)
    assert lost() == 2
    assert len(await checks(home, number)) == 1


async def test_the_past_is_played_again(home: House) -> None:
    mine = await known(home)
    facts = Facts("production", 1, "mia", actor_person=True)
    note = decisions.note
    await service(home).store.write(note, facts, GATE, project_id=mine.id, number=77, kind="gate", now=1.0)
    number = await home.propose({FILE: soaks(60)})

    (check,) = await checks(home, number)

    assert "would have been the same" in check.text


async def test_a_policy_that_never_runs_forks_is_asked_in_vain(home: House) -> None:
    """P21: not even by command."""
    text = "environments: {preview: {forks: never}}\n"
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "Policy", author="bob")
    fork = (await home.github.fork(home.repo, "eve")).full_name
    sha = await home.github.branch_commit(fork, "gift", {"index.html": "<h1>gift</h1>"}, "Take it", author="eve")
    number = await home.github.open_pull(fork, "gift", "main", "Free gift", "", "eve", fork_of=home.repo)
    await home.says(number, "was not run")

    assert (await refused(home, number, f"/preview {sha}", "bob"))["reason_code"] == "fork"
