"""Authority is a live answer of GitHub's about a number."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bot.errors import TryLater
from bot.permissions import facts, role_of
from bot.policy import Facts, Role, Stops, Unknown, judge
from tests.bot.github.stand import APP_ID, SHA, Stand

HERE = "/repos/acme/shop"
OTHER = "b" * 40
MONA = {"id": 1, "login": "mona", "type": "User"}  # wrote it
OLGA = {"id": 2, "login": "olga", "type": "User"}  # promotes it
RITA = {"id": 3, "login": "rita", "type": "User"}  # approved it
COPILOT = {"id": 198982749, "login": "Copilot", "type": "Bot"}


def role(user: Mapping[str, Any] | None, role_name: object, permission: object = None) -> dict[str, Any]:
    older = {"maintain": "write", "triage": "read"}.get(str(role_name), role_name)
    return {"user": user, "role_name": role_name, "permission": permission or older}


def pull(**changes: Any) -> dict[str, Any]:
    side = {"ref": "topic", "sha": SHA, "repo": {"id": 42}}
    return {
        "number": 7,
        "title": "A change",
        "state": "open",
        "draft": False,
        "user": MONA,
        "head": side,
        "base": {**side, "ref": "main"},
        "merge_commit_sha": OTHER,
        **changes,
    }


def commit(
    author: object = MONA, committer: object = MONA, message: str = "work", email: str = "m@x.org"
) -> dict[str, Any]:
    signed = {"name": "Mona", "email": email}
    return {
        "sha": SHA,
        "author": author,
        "committer": committer,
        "commit": {"author": signed, "committer": signed, "message": message},
    }


def review(user: object = RITA, state: str = "APPROVED", at: int = 1, **changes: Any) -> dict[str, Any]:
    when = dt.datetime.fromtimestamp(at, dt.UTC).isoformat()
    return {"id": at, "user": user, "state": state, "commit_id": SHA, "submitted_at": when, **changes}


def run(number: int, name: str = "build", conclusion: str | None = "success", **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "status": "completed" if conclusion else "in_progress",
        "conclusion": conclusion,
        "app": {"id": 15368},
        "check_suite": {"id": 1},
        **changes,
    }


class GitHubSays:
    """What GitHub answers, path by path: a list is split into pages of one or two, a number is a status."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {
            f"{HERE}/pulls/7": pull(),
            f"{HERE}/pulls/7/commits": [commit()],
            f"{HERE}/pulls/7/reviews": [review()],
            f"{HERE}/commits/{SHA}/check-runs": [run(1)],
        }
        for who, name in ((MONA, "admin"), (OLGA, "maintain"), (RITA, "write")):
            self.let(who, name)

    def let(self, who: Mapping[str, Any], role_name: str) -> None:
        self.answers[f"{HERE}/collaborators/{who['login']}/permission"] = role(who, role_name)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        answer = self.answers.get(request.url.path, 404)
        if isinstance(answer, int):
            return httpx.Response(answer, json={"message": "No"})
        if not isinstance(answer, list):
            return httpx.Response(200, json=answer)
        return self._page(request, answer)

    def _page(self, request: httpx.Request, rows: list[Any]) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        row, headers = rows[page - 1 : page], {}
        if row == [502]:
            return httpx.Response(502, json={})
        if page < len(rows):
            headers["link"] = f'<{request.url.copy_set_param("page", str(page + 1))}>; rel="next"'
        wrapped = {"total_count": len(rows), "check_runs": row} if "check-runs" in request.url.path else row
        return httpx.Response(200, json=wrapped, headers=headers)


class House:
    def __init__(self, stand: Stand, says: GitHubSays) -> None:
        self.stand, self.says = stand, says

    async def role(self, who: Mapping[str, Any] = OLGA) -> Role | Unknown:
        return await role_of(self.stand.repository, str(who["login"]), int(who["id"]))

    async def facts(self, **changes: Any) -> Facts:
        asked: dict[str, Any] = {
            "environment": "production",
            "actor_id": 2,
            "actor_login": "olga",
            "actor_person": True,
            "displayed_sha": SHA,
            "stops": Stops(),
        }
        requesters = changes.pop("requesters", ())
        return await facts(self.stand.repository, 42, 7, Facts(**{**asked, **changes}), requesters)

    async def codes(self, **changes: Any) -> list[str]:
        return [objection.reason_code for objection in judge(await self.facts(**changes))]

    def set(self, path: str, answer: Any) -> None:
        self.says.answers[f"{HERE}/{path}"] = answer


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    says = GitHubSays()
    async with Stand(says) as stand:
        yield House(stand, says)


@pytest.mark.parametrize(
    ("permission", "role_name", "expected"),
    [
        ("admin", "admin", Role.ADMIN),
        ("write", "maintain", Role.MAINTAIN),
        ("write", "write", Role.WRITE),
        ("read", "triage", Role.TRIAGE),
        ("read", "read", Role.READ),
        ("none", "none", Role.NONE),
        ("write", "release-team", Role.WRITE),  # a role of the organization's own
        ("write", None, Role.WRITE),
        ("write", "admin", Role.WRITE),  # says more than the older word could mean
        ("read", "maintain", Role.READ),
        ("admin", "read", Role.READ),
        ("maintain", "maintain", Role.MAINTAIN),
    ],
)
async def test_maintain_is_told_from_write_by_the_exact_role(
    house: House, permission: str, role_name: str | None, expected: Role
) -> None:
    house.set("collaborators/olga/permission", role(OLGA, role_name, permission))
    assert await house.role() is expected


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500, 502])
async def test_an_answer_that_is_none_is_unknown(house: House, status: int) -> None:
    house.set("collaborators/olga/permission", status)
    found = await house.role()
    assert isinstance(found, Unknown) and str(status) in found.why
    assert (await house.codes())[0] == "permission_unknown"


@pytest.mark.parametrize("answer", [{}, {"user": OLGA}, {"user": OLGA, "permission": "owner"}, role(None, "admin")])
async def test_an_answer_without_sense_is_unknown(house: House, answer: Any) -> None:
    house.set("collaborators/olga/permission", answer)
    assert isinstance(await house.role(), Unknown)


async def test_a_login_that_belongs_to_somebody_else_by_now_is_unknown(house: House) -> None:
    house.set("collaborators/olga/permission", role({**OLGA, "id": 99}, "admin"))
    found = await house.role()
    assert isinstance(found, Unknown) and "number 2" in found.why


async def test_an_account_without_a_name_is_not_asked_for(house: House) -> None:
    assert isinstance(await house.role({"login": "", "id": 2}), Unknown)
    assert house.says.asked == []


async def test_a_login_is_never_part_of_the_path(house: House) -> None:
    assert isinstance(await house.role({"login": "../../user", "id": 2}), Unknown)
    assert house.stand.requests[0].url.raw_path == b"/repos/acme/shop/collaborators/..%2F..%2Fuser/permission"


async def test_removed_collaborator_is_noticed_at_once(house: House) -> None:
    assert await house.role() is Role.MAINTAIN
    house.says.let(OLGA, "none")
    assert await house.role() is Role.NONE


async def test_a_rate_limit_sends_the_command_back_to_the_queue(house: House) -> None:
    limited = httpx.Response(429, headers={"retry-after": "60"}, json={"message": "slow down"})
    house.stand.answer = lambda request: limited if request.url.path.endswith("/reviews") else house.says(request)
    with pytest.raises(TryLater):
        await house.facts()


async def test_everything_a_promotion_needs_is_gathered(house: House) -> None:
    found = await house.facts()
    assert judge(found) == ()
    assert (found.actor_role, found.author_id, found.head_sha, found.state) == (Role.MAINTAIN, 1, SHA, "open")
    assert (found.merge_sha, found.merged_same, found.draft, found.fork) == (None, None, False, False)


async def test_head_that_moved_before_its_delivery_came_is_seen(house: House) -> None:
    house.set("pulls/7", pull(head={"ref": "topic", "sha": OTHER, "repo": {"id": 42}}))
    house.set(f"commits/{OTHER}/check-runs", [run(1)])
    assert "head_moved" in await house.codes()


async def test_trees_of_a_merged_pull_request_are_unknown_until_somebody_compares(house: House) -> None:
    house.set("pulls/7", pull(state="closed", merged=True))
    found = await house.facts()
    assert (found.state, found.merge_sha) == ("merged", OTHER)
    assert await house.codes() == ["merge_unknown"]


BROKEN: list[tuple[str, Any]] = [
    ("pulls/7", 502),
    ("pulls/7", {}),
    ("pulls/7", {**pull(), "base": {"ref": "main", "sha": SHA, "repo": {"id": 99}}}),
    ("pulls/7", {**pull(), "base": None}),
    ("pulls/7", {**pull(), "number": 8}),
    ("pulls/7", {**pull(), "user": None}),
    ("pulls/7/commits", 502),
    ("pulls/7/commits", []),
    ("pulls/7/reviews", 403),
    ("pulls/7/reviews", [review(), 502]),
    (f"commits/{SHA}/check-runs", 404),
    (f"commits/{SHA}/check-runs", [run(1), 502]),
    ("collaborators/rita/permission", 500),
    ("collaborators/rita/permission", role({**RITA, "id": 99}, "write")),
]


@pytest.mark.parametrize(("path", "answer"), BROKEN)
async def test_missing_data_never_passes(house: House, path: str, answer: Any) -> None:
    house.set(path, answer)
    found = await house.codes()
    assert found and all("unknown" in code for code in found)


async def test_a_failing_check_on_the_last_page_is_seen(house: House) -> None:
    house.set(f"commits/{SHA}/check-runs", [run(n, f"job {n}") for n in range(1, 6)] + [run(9, "last", "failure")])
    assert await house.codes() == ["checks_failed"]


async def test_the_latest_run_of_a_check_counts_in_each_suite(house: House) -> None:
    path = f"commits/{SHA}/check-runs"
    house.set(path, [run(5), run(4, conclusion="failure")])
    assert await house.codes() == []
    house.set(path, [run(4), run(5, conclusion="failure")])
    assert await house.codes() == ["checks_failed"]
    house.set(path, [run(5), run(4, conclusion="failure", check_suite={"id": 2})])
    assert await house.codes() == ["checks_failed"]


async def test_forged_check_of_another_app_is_not_ours(house: House) -> None:
    path = f"commits/{SHA}/check-runs"
    house.set(path, [run(1, "slipway/preview", None, app={"id": APP_ID})])
    assert await house.codes() == []
    house.set(path, [run(1, "slipway/preview", None, app={"id": 99}), run(2, app=None)])
    assert await house.codes() == ["checks_pending"]


@pytest.mark.parametrize(
    ("reviews", "code"),
    [
        ([review(), review(state="COMMENTED", at=2)], None),
        ([review(), review(state="DISMISSED", at=2)], "approval_missing"),
        ([review(), review(state="CHANGES_REQUESTED", at=2)], "approval_missing"),
        ([review(state="CHANGES_REQUESTED"), review(at=2)], None),
        ([review(at=2), review(state="CHANGES_REQUESTED", at=1)], None),
        ([review(commit_id=OTHER)], "approval_missing"),
        ([review(commit_id=None)], "approval_missing"),
        ([review(user=None)], "approval_missing"),
        ([review(user={**RITA, "type": "Bot"})], "approval_missing"),
        ([review(performed_via_github_app={"id": 5})], "approval_missing"),
        ([review(user=MONA)], "approval_missing"),
        ([], "approval_missing"),
    ],
)
async def test_approval_is_the_latest_word_of_a_person_at_the_head(
    house: House, reviews: list[dict[str, Any]], code: str | None
) -> None:
    house.set("pulls/7/reviews", reviews)
    found = await house.codes()
    assert code in found if code else found == []


@pytest.mark.parametrize("role_name", ["none", "read", "triage"])
async def test_approval_of_an_ex_collaborator_does_not_count(house: House, role_name: str) -> None:
    house.says.let(RITA, role_name)
    assert await house.codes() == ["approval_missing"]


@pytest.mark.parametrize(
    "change",
    [
        commit(author=RITA),
        commit(committer=RITA),
        commit(author=None, committer=None, email="3+rita@users.noreply.github.com"),
        commit(message="work\n\nCo-authored-by: Rita <3+old-name@users.noreply.github.com>"),
        commit(message="work\r\n\r\nCO-AUTHORED-BY: R <3+Rita@Users.noreply.GitHub.com>\r\n"),
    ],
    ids=["author", "committer", "address", "co-author", "shouted"],
)
async def test_self_approval_in_disguise_is_refused(house: House, change: dict[str, Any]) -> None:
    house.set("pulls/7/commits", [commit(), change])
    assert await house.codes() == ["approval_missing"]


async def test_who_asked_a_machine_for_the_change_can_not_approve_it(house: House) -> None:
    assert await house.codes(requesters=[3]) == ["approval_missing"]
    house.set("pulls/7", pull(user=COPILOT, assignees=[COPILOT, RITA]))
    assert await house.codes() == ["approval_missing"]
    house.set("pulls/7", pull(assignees=[RITA]))
    assert await house.codes() == []


async def test_a_list_of_commits_that_github_cuts_off_is_unknown(house: House) -> None:
    house.stand.answer = lambda request: (
        httpx.Response(200, json=[commit()] * 250) if request.url.path.endswith("/commits") else house.says(request)
    )
    assert await house.codes() == ["approval_unknown"]


async def test_only_reviewers_whose_word_counts_are_looked_up(house: House) -> None:
    others = [{"id": n, "login": f"u{n}", "type": "User"} for n in range(10, 15)]
    stale = [review(user=who, commit_id=OTHER, at=n) for n, who in enumerate(others, 2)]
    house.set("pulls/7/reviews", [review(), *stale])
    await house.facts()
    looked = [path for path in house.says.asked if "/collaborators/" in path]
    assert sorted(looked) == [f"{HERE}/collaborators/{who}/permission" for who in ("olga", "rita")]


@pytest.mark.parametrize(
    ("author", "email", "nameless"),
    [
        (MONA, "m@x.org", False),
        (None, "m@x.org", True),
        (None, "17+mona@users.noreply.github.com", False),
    ],
)
async def test_an_author_github_can_not_name_is_noticed(
    house: House, author: object, email: str, nameless: bool
) -> None:
    """P17: then one more approval is needed."""
    house.set("pulls/7/commits", [commit(), commit(author=author, email=email)])
    assert (await house.facts()).nameless is nameless


async def test_commits_of_another_head_say_nothing_about_this_one(house: House) -> None:
    """P1, P17: a force push between two questions must not hide who wrote what is promoted."""
    house.set("pulls/7/commits", [{**commit(), "sha": OTHER}])
    found = await house.facts()
    assert isinstance(found.hands, Unknown)
    assert isinstance(found.nameless, Unknown)
    assert await house.codes() == ["approval_unknown"]
