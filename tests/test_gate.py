"""The one required check, end to end: it follows what happens, it always ends, and an older success never stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.messages.gate import GATE
from tests.house import House, eventually, house

pytestmark = pytest.mark.slow


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        for login, role in (("mia", "maintain"), ("rita", "write"), ("adam", "admin")):
            one.github.user(login)
            one.github.grant(one.repo, login, role)
        yield one


def runs(home: House, sha: str) -> list[Any]:
    """The runs of the gate at a commit, oldest first."""
    return home.checks(sha, GATE)


async def concludes(home: House, sha: str, conclusion: str) -> Any:
    """The newest run of the gate, once it ended so."""

    async def look() -> Any:
        every = runs(home, sha)
        return every[-1] if every and every[-1].conclusion == conclusion else None

    return await eventually(look)


def head(home: House, number: int) -> str:
    return str(home.github.hub.pull(home.repo, number).head_sha)


async def policy(home: House, text: str) -> None:
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "Policy", author="adam")


async def test_from_pending_to_green_by_an_approval(home: House) -> None:
    number = await home.propose({"index.html": "<h1>one</h1>"})
    sha = head(home, number)

    asked = await concludes(home, sha, "action_required")
    assert "approvals 0/1" in asked.title
    assert '"reason_code":"approval_missing"' in asked.text

    await home.github.review(home.repo, number, "rita")
    green = await concludes(home, sha, "success")

    assert green.id != asked.id  # what has ended is never opened again
    assert asked.conclusion == "action_required"


async def test_an_older_success_never_stands_while_it_is_asked_again(home: House) -> None:
    """P8: a new run is there before the first question."""
    number = await home.propose({"index.html": "<h1>one</h1>"})
    sha = head(home, number)
    await concludes(home, sha, "action_required")
    await home.github.review(home.repo, number, "rita")
    await concludes(home, sha, "success")

    await home.github.review(home.repo, number, "rita", "CHANGES_REQUESTED")
    await concludes(home, sha, "action_required")

    ids = [one.id for one in runs(home, sha)]
    assert len(ids) >= 3
    assert ids == sorted(set(ids))


async def test_a_failed_preview_fails_the_gate(home: House) -> None:
    number = await home.propose({"package.json": "{ no json", "index.js": ""})
    failed = await concludes(home, head(home, number), "failure")
    assert "preview" in failed.title


async def test_a_draft_needs_a_person_and_becomes_ready(home: House) -> None:
    number = await home.propose({"index.html": "<h1>one</h1>"}, draft=True)
    sha = head(home, number)
    asked = await concludes(home, sha, "action_required")
    assert "draft" in asked.title

    await home.github.review(home.repo, number, "rita")
    await home.github.set_draft(home.repo, number, False)

    await concludes(home, sha, "success")


async def test_the_author_of_a_change_does_not_approve_it_by_command(home: House) -> None:
    await policy(home, "environments: {production: {approvals: {count: 1, strength: comment}}}\n")
    number = await home.propose({"index.html": "<h1>one</h1>"}, user="rita")
    sha = head(home, number)
    await home.says(number, "is live")
    await home.github.comment(home.repo, number, "rita", "/approve production")
    await concludes(home, sha, "action_required")

    await home.github.comment(home.repo, number, "mia", "/approve production")

    await concludes(home, sha, "success")


async def test_a_policy_without_approvals_lets_it_pass_with_its_push(home: House) -> None:
    number = await home.propose({"index.html": "<h1>one</h1>"})
    sha = head(home, number)
    await concludes(home, sha, "action_required")

    await policy(home, "environments: {production: {approvals: {count: 0}}}\n")

    await concludes(home, sha, "success")


async def test_two_pull_requests_with_one_head_have_to_pass_both(home: House) -> None:
    """P4: the same commit, another base."""
    number = await home.propose({"index.html": "<h1>one</h1>"})
    sha = head(home, number)
    await home.github.branch_commit(home.repo, "weak", {"other.txt": "x"}, "Weak", author="rita")
    second = await home.github.open_pull(home.repo, "change", "weak", "Into weak", "", "ann")
    assert head(home, second) == sha
    await concludes(home, sha, "action_required")

    await home.github.review(home.repo, second, "rita")
    one = await concludes(home, sha, "action_required")
    assert "approvals" in one.title

    await home.github.review(home.repo, number, "rita")
    await concludes(home, sha, "success")


async def test_a_soak_ends_by_itself(home: House) -> None:
    await policy(home, "environments: {production: {soak: 4s, approvals: {count: 0}}}\n")
    number = await home.propose({"index.html": "<h1>one</h1>"})
    sha = head(home, number)

    async def soaking() -> bool | None:
        every = runs(home, sha)
        return True if every and "soak" in every[-1].title else None

    await eventually(soaking)
    assert runs(home, sha)[-1].status == "in_progress"
    await concludes(home, sha, "success")


async def test_lifting_a_rule_needs_the_named_role_and_is_for_one_commit(home: House) -> None:
    await policy(
        home,
        "environments: {production: {soak: 7d, approvals: {count: 0}}}\noverride: {roles: {soak: [role:admin]}}\n",
    )
    number = await home.propose({"index.html": "<h1>one</h1>"})
    sha = head(home, number)
    await home.says(number, "is live")
    await home.github.comment(home.repo, number, "mia", '/override soak --reason="no time"')

    async def refused() -> bool | None:
        return True if any("not_permitted" in body for body in home.comments(number)) else None

    await eventually(refused)
    await home.github.comment(home.repo, number, "adam", '/override soak --reason="no time"')
    await concludes(home, sha, "success")

    later = await home.push({"index.html": "<h1>two</h1>"})

    async def soaking() -> bool | None:
        every = runs(home, later)
        return True if every and "soak" in every[-1].title else None

    await eventually(soaking)


async def test_killed_and_started_again_the_check_appears(tmp_path: Path) -> None:
    """P35: what was opened while nobody listened."""
    async with house(tmp_path) as home:
        await home.stop()
        number = await home.propose({"index.html": "<h1>one</h1>"})
        await home.start()
        await concludes(home, head(home, number), "action_required")


async def green(home: House, number: int) -> str:
    sha = head(home, number)
    await home.says(number, "is live")
    await home.github.review(home.repo, number, "rita")
    await concludes(home, sha, "success")
    return sha


async def test_a_group_of_approved_and_previewed_pull_requests_passes(home: House) -> None:
    number = await home.propose({"index.html": "<h1>one</h1>"})
    await green(home, number)

    group = await home.github.enqueue(home.repo, number)

    assert f"#{number}" not in (await concludes(home, group, "success")).title
    assert [one.name for one in home.checks(group, None)] == [GATE]


async def test_a_review_dismissed_after_queueing_fails_the_group(home: House) -> None:
    """P5: no blanket success for what was approved once."""
    number = await home.propose({"index.html": "<h1>one</h1>"})
    await green(home, number)
    await home.github.review(home.repo, number, "rita", "CHANGES_REQUESTED")
    await concludes(home, head(home, number), "action_required")

    group = await home.github.enqueue(home.repo, number)

    await concludes(home, group, "action_required")


async def test_a_group_on_top_of_another_needs_the_pull_requests_of_both(home: House) -> None:
    first = await home.propose({"index.html": "<h1>one</h1>"})
    await green(home, first)
    second = await home.propose({"other.html": "<h1>two</h1>"}, branch="other")
    await green(home, second)
    below = await home.github.enqueue(home.repo, first)
    await concludes(home, below, "success")
    await home.github.review(home.repo, first, "rita", "CHANGES_REQUESTED")
    await concludes(home, head(home, first), "action_required")

    above = await home.github.enqueue(home.repo, second, after=below)

    ended = await concludes(home, above, "action_required")
    assert ended.title.startswith("2 pull requests: ")


async def test_a_group_that_is_given_up_ends_as_cancelled(home: House) -> None:
    await policy(home, "environments: {production: {soak: 1d, approvals: {count: 0}}}\n")
    number = await home.propose({"index.html": "<h1>one</h1>"})
    await home.says(number, "is live")
    group = await home.github.enqueue(home.repo, number)

    async def asked() -> bool | None:
        return True if runs(home, group) else None

    await eventually(asked)
    await home.github.dequeue(home.repo, number, group)

    await concludes(home, group, "cancelled")
