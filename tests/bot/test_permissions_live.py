"""The same questions, asked of a GitHub that really runs, and judged by GitHub's own description of its API."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from bot.github import GitHub, Repository
from bot.permissions import facts
from bot.policy import Facts, Stops, judge
from demo.github import DemoGitHub
from tests.house import PUBLIC_KEY, SECRET, judged, settings_for

REPO = "acme/shop"


@dataclasses.dataclass
class Room:
    github: DemoGitHub
    repository: Repository
    number: int
    head: str

    async def judged(self, actor: str = "olga") -> Facts:
        user, project = self.github.user(actor), self.github.hub.repo(REPO).id
        asked = {"actor_id": user.id, "actor_login": user.login, "actor_person": user.type == "User"}
        asker = Facts("production", **asked, displayed_sha=self.head, stops=Stops())
        return await facts(self.repository, project, self.number, asker)

    async def codes(self, actor: str = "olga") -> list[str]:
        return [objection.reason_code for objection in judge(await self.judged(actor))]


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    with judged() as judge:
        watched = [judge.watch] if judge else []
        demo = DemoGitHub(tmp_path / "github", webhook_secret=SECRET, public_key=PUBLIC_KEY, middlewares=watched)
        async with demo.serve(), httpx.AsyncClient() as http:
            await demo.create_repository("acme", "shop", {"index.html": "one"})
            for person, role in (("ann", "write"), ("olga", "maintain"), ("rita", "write")):
                demo.user(person)
                demo.grant(REPO, person, role)
            await demo.branch_commit(REPO, "change", {"index.html": "two"}, "Change it", author="ann")
            number = await demo.open_pull(REPO, "change", "main", "A change", "", "ann")
            async with GitHub(settings_for(tmp_path / "home", demo.url), http) as github:
                project = demo.hub.repo(REPO).id
                installation = (await github.installations())[0]["id"]
                repository = github.repository(installation, project, REPO)
                yield Room(demo, repository, number, (await repository.pull(number))["head"]["sha"])


async def test_a_change_is_approved_promoted_and_its_approval_is_gone_with_the_next_push(room: Room) -> None:
    assert await room.codes() == ["approval_missing"]
    await room.github.review(REPO, room.number, "rita")
    assert await room.codes() == []
    assert await room.codes("rita") == ["not_permitted"]

    await room.github.branch_commit(REPO, "change", {"index.html": "three"}, "Again", author="ann")
    assert await room.codes() == ["head_moved", "approval_missing"]


async def test_permission_taken_away_counts_from_the_next_question_on(room: Room) -> None:
    await room.github.review(REPO, room.number, "rita")
    room.github.grant(REPO, "olga", "write")
    assert await room.codes() == ["not_permitted"]
    room.github.grant(REPO, "olga", "admin")
    room.github.grant(REPO, "rita", "read")
    assert await room.codes() == ["approval_missing"]


async def test_a_stranger_who_approves_and_promotes_gets_nowhere(room: Room) -> None:
    room.github.user("eve")
    await room.github.review(REPO, room.number, "eve")
    assert await room.codes("eve") == ["not_permitted", "approval_missing"]


async def test_who_wrote_one_of_the_commits_can_not_approve(room: Room) -> None:
    await room.github.branch_commit(REPO, "change", {"index.html": "three"}, "Help", author="rita")
    room.head = (await room.repository.pull(room.number))["head"]["sha"]
    await room.github.review(REPO, room.number, "rita")
    assert await room.codes() == ["approval_missing"]


async def test_a_merged_change_waits_for_its_trees_to_be_compared(room: Room) -> None:
    await room.github.review(REPO, room.number, "rita")
    await room.github.merge_pull(REPO, room.number, "olga", "squash")
    found = await room.judged()
    assert found.merge_sha is not None
    assert await room.codes() == ["merge_unknown"]
    assert judge(dataclasses.replace(found, merged_same=True)) == ()


async def test_a_failing_check_of_anybody_stops_it(room: Room) -> None:
    await room.github.review(REPO, room.number, "rita")
    words = {"title": "t", "summary": "s"}
    check = await room.repository.create_check("lint", room.head, "1", status="in_progress", **words)
    assert await room.codes() == ["checks_pending"]
    await room.repository.update_check(check, status="completed", conclusion="failure", **words)
    assert await room.codes() == ["checks_failed"]
    await room.repository.create_check("lint", room.head, "2", status="completed", conclusion="success", **words)
    assert await room.codes() == []
