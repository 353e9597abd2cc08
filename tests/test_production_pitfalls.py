"""What went wrong with production elsewhere, tried on the whole house; P1 to P42 are docs/security.md's numbers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.messages.commands import ANSWERS
from bot.models import Release, Stage
from demo.github.git import SHA
from demo.github.records import Pull, Repo
from tests.lives import REPO, Lives, lives
from tests.memory_runner import WORD
from tests.talk import twin

pytestmark = pytest.mark.slow
MAIN = "main--shop--acme.localhost"
PROMOTE, ROLLBACK = "/promote production", "/rollback production --reason=bad"


def files(word: str) -> dict[str, str]:
    return {WORD: word, "Procfile": "web: ./run\n"}


@dataclass
class Home:
    """The house, and people who know what they want."""

    one: Lives

    @property
    def repo(self) -> Repo:
        return self.one.github.hub.repo(REPO)

    def pull(self, number: int) -> Pull:
        return self.one.github.hub.pull(REPO, number)

    async def push(self, word: str, branch: str = "change", user: str = "ann") -> str:
        return await self.one.github.branch_commit(REPO, branch, files(word), f"Make it {word}", user)

    async def untold(self, word: str, author: str, sender: str, *, when: int | None = None, told: bool = False) -> str:
        """A commit whose author, date and pusher are whatever somebody likes."""
        hub, git = self.one.github.hub, self.repo.git
        where, self.one.post.url = self.one.post.url, self.one.post.url if told else None
        async with git.writing:
            before = await git.refs()
            content = {name: text.encode() for name, text in files(word).items()}
            ident, at = hub.user(author).ident, int(hub.now()) if when is None else when
            parent = before["refs/heads/change"]
            sha = await git.write("change", content, message="m", author=ident, when=at, parent=parent)
            await self.one.github.refs_changed(self.repo, before, hub.user(sender))
        self.one.post.url = where
        return sha

    async def propose(self, word: str, branch: str = "change") -> int:
        await self.push(word, branch)
        number = await self.one.github.open_pull(REPO, branch, "main", "A change", "", "ann")
        await self.one.drained()
        return number

    async def approve(self, number: int, who: str = "bob") -> None:
        await self.one.github.review(REPO, number, who)

    async def say(self, number: int, body: str, who: str = "meg") -> list[dict[str, Any]]:
        """What is answered, for machines."""
        before = len(self.answers())
        await self.one.github.comment(REPO, number, who, body)
        await self.one.drained()
        return self.answers()[before:]

    def answers(self) -> list[dict[str, Any]]:
        return [twin(one.body) for one in self.repo.comments.values() if one.by_app and ANSWERS in one.body]

    async def refused(self, number: int, body: str, who: str = "meg") -> str:
        (said,) = await self.say(number, body, who)
        return str(said["reason_code"])

    async def release(self, number: int, word: str) -> None:
        """What is there is approved and promoted."""
        await self.approve(number)
        assert await self.say(number, PROMOTE) == []
        assert await self.serves() == word

    async def serves(self) -> str | None:
        answer = await self.one.visit(MAIN)
        return answer.text.split()[0] if answer.status_code == 200 else None

    async def releases(self) -> list[Release]:
        def every(session: Session) -> list[Release]:
            return list(session.exec(select(Release).order_by(Release.started_at)))  # type: ignore[arg-type]

        return await self.one.store.read(every)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with lives(tmp_path, tmp_path / "sources") as one:
        await one.github.create_repository("acme", "shop", files("base"))
        for person, role in {"ann": "write", "bob": "write", "rita": "write", "meg": "maintain"}.items():
            one.github.user(person)
            one.github.grant(REPO, person, role)  # type: ignore[arg-type]
        yield Home(one)


async def test_a_commit_dated_long_ago_is_no_older_than_its_push(home: Home) -> None:
    """P2: no date that somebody can write decides anything."""
    number = await home.propose("one")
    await home.approve(number)
    await home.untold("evil", "ann", "ann", when=1_000_000_000)

    assert await home.refused(number, PROMOTE) == "head_moved"
    assert await home.serves() is None


async def test_a_force_push_back_brings_only_its_own_approval_back(home: Home) -> None:
    """P3: A, B, A again."""
    number = await home.propose("one")
    first = home.pull(number).head_sha
    await home.approve(number)
    await home.push("two")
    await home.one.drained()
    assert await home.refused(number, PROMOTE) == "approval_missing"

    async with home.repo.git.writing:
        before = await home.repo.git.refs()
        await home.repo.git.point("refs/heads/change", first)
        await home.one.github.refs_changed(home.repo, before, home.one.github.user("ann"))
    await home.one.drained()

    assert await home.say(number, PROMOTE) == []
    assert await home.serves() == "one"


async def test_an_approval_counts_on_its_own_pull_request_only(home: Home) -> None:
    """P3, P4: the same commit in another pull request was approved by nobody there."""
    number = await home.propose("one")
    await home.approve(number)
    async with home.repo.git.writing:
        before = await home.repo.git.refs()
        await home.repo.git.point("refs/heads/twin", home.pull(number).head_sha)
        await home.one.github.refs_changed(home.repo, before, home.one.github.user("ann"))
    other = await home.one.github.open_pull(REPO, "twin", "main", "The same", "", "ann")
    await home.one.drained()

    assert home.pull(other).head_sha == home.pull(number).head_sha
    assert await home.refused(other, PROMOTE) == "approval_missing"


async def test_whoever_pushed_it_can_not_approve_it(home: Home) -> None:
    """P17: in the commit stands somebody else's name."""
    number = await home.propose("one")
    await home.untold("two", "ann", "bob", told=True)
    await home.one.drained()
    await home.approve(number, "bob")
    assert await home.refused(number, PROMOTE) == "approval_missing"

    await home.approve(number, "rita")

    assert await home.say(number, PROMOTE) == []


async def test_a_slow_release_never_overtakes_the_way_back(home: Home) -> None:
    """P25, P27: whoever took the lease in between keeps it, and the slow one switches nothing."""
    number = await home.propose("one")
    await home.release(number, "one")
    await home.push("two")
    await home.one.drained()
    await home.release(number, "two")
    await home.push("three")
    await home.one.drained()
    await home.approve(number)
    home.one.machine.gate = asyncio.Event()
    await home.one.github.comment(REPO, number, "meg", PROMOTE)
    while not [row for row in await home.releases() if row.state is Stage.RELEASING]:
        await asyncio.sleep(0.01)

    await home.one.github.comment(REPO, number, "meg", ROLLBACK)
    while await home.serves() != "one":
        await asyncio.sleep(0.01)
    home.one.machine.gate.set()
    await home.one.drained()

    assert await home.serves() == "one"
    assert [said["reason_code"] for said in home.answers()] == ["overtaken"]


@pytest.mark.parametrize("seed", range(4))
async def test_shuffled_doubled_and_lost_deliveries_end_the_same(home: Home, seed: int) -> None:
    """P26: what arrived twice, late or never leaves no trace once the sweep has been."""
    lot = random.Random(seed)
    number, post = await home.propose("one"), home.one.post
    post.holding = True
    await home.push("two")
    await home.one.github.close_pull(REPO, number)
    await home.one.github.reopen(REPO, number)
    await home.push("three")
    other = await home.one.github.open_pull(REPO, await branch_of(home, "other"), "main", "Another", "", "ann")
    await home.one.github.settled()
    for lost in lot.sample(post.held, len(post.held) // 3):
        post.lose(lost)
    doubled = lot.sample(home.one.github.deliveries, 5)

    post.let_go([lot.randrange(10) for _place in range(7)])
    for delivery in doubled:
        post.redeliver(delivery.id)
    await home.one.drained()
    await home.one.sweep()

    await home.approve(number)
    assert await home.say(number, PROMOTE) == []
    assert await home.serves() == "three"
    comments = [one for one in home.repo.comments.values() if one.by_app]
    assert sorted(one.number for one in comments) == [number, other]
    assert all(twin(one.body)["state"] == "live" for one in comments)


async def branch_of(home: Home, word: str) -> str:
    await home.push(word, word)
    return word


async def test_deployments_are_of_one_commit_and_merge_nothing(home: Home) -> None:
    """P28: GitHub's defaults would merge the base in, and wait for every check."""
    number = await home.propose("one")
    await home.release(number, "one")

    bodies = [
        call.body for call in home.one.github.calls if call.method == "POST" and call.path.endswith("/deployments")
    ]

    assert {body["environment"] for body in bodies} == {"preview", "production"}
    for body in bodies:
        assert SHA.fullmatch(body["ref"])
        assert (body["auto_merge"], body["required_contexts"]) == (False, [])
        assert body["production_environment"] is (body["environment"] == "production")


async def test_a_push_to_main_after_a_rollback_releases_nothing(home: Home) -> None:
    """P31: nothing but a person's command leads away from what was gone back to."""
    number = await home.propose("one")
    await home.release(number, "one")
    await home.push("two")
    await home.one.drained()
    await home.release(number, "two")
    await home.say(number, ROLLBACK)
    assert await home.serves() == "one"

    await home.one.github.merge_pull(REPO, number, "meg")
    await home.push("four", "main", "meg")
    await home.one.drained()
    await home.one.crash()
    await home.one.drained()

    assert await home.serves() == "one"
    assert await home.refused(number, PROMOTE) in ("held", "head_moved", "merge_differs", "not_displayed")


async def test_what_was_opened_while_we_were_dead_gets_its_check(home: Home) -> None:
    """P35: nobody waits for a required check that no process will ever report."""
    await home.one.end()
    sha = await home.push("one")
    await home.one.github.open_pull(REPO, "change", "main", "A change", "", "ann")
    await home.one.github.settled()
    assert not home.repo.checks

    await home.one.begin()
    await home.one.sweep()

    ended = {one.name: one.conclusion for one in home.repo.checks.values() if one.suite.sha == sha}
    assert ended["slipway/preview"] == "success"
    assert set(ended) <= {"slipway/preview", "slipway/gate"}


async def test_an_error_after_the_effect_doubles_nothing(home: Home) -> None:
    """P36: GitHub did what it was asked and said 500."""
    spoiled: set[str] = set()

    def once(request: Any) -> bool:
        kind = request.path.rsplit("/", 1)[-1]
        if request.method != "POST" or kind not in ("comments", "check-runs", "deployments") or kind in spoiled:
            return False
        spoiled.add(kind)
        return True

    home.one.evidence.spoils = once
    number = await home.propose("one")
    await home.release(number, "one")
    await home.say(number, "/help")

    assert spoiled == {"comments", "check-runs", "deployments"}
    assert len([one for one in home.repo.comments.values() if one.by_app]) == 2
    assert len([one for one in home.repo.checks.values() if one.name == "slipway/preview"]) == 1
    runs = [one.external_id for one in home.repo.checks.values() if one.name == "slipway/gate"]
    assert len(runs) == len(set(runs))
    assert sorted(one.environment for one in home.repo.deployments.values()) == ["preview", "production"]


async def test_a_suspended_installation_is_not_served(home: Home) -> None:
    """P39"""
    number = await home.propose("one")
    await home.approve(number)
    hub = home.one.github.hub
    installation = next(iter(hub.installations.values()))
    home.one.post.tell_of_installation("installation", installation, hub.keeper(home.repo.owner), {"action": "suspend"})
    await home.one.drained()

    assert await home.say(number, PROMOTE) == []
    assert await home.serves() is None


async def test_a_new_repository_under_an_old_name_is_another(home: Home) -> None:
    """P39: names change hands, numbers don't."""
    number = await home.propose("one")
    await home.release(number, "one")
    await home.one.github.rename_repository(REPO, "dock")
    del home.one.github.hub.names[REPO]  # GitHub gives a name that was left to whoever asks
    new = await home.one.github.create_repository("acme", "shop", files("evil"))
    for person, role in {"ann": "write", "bob": "write", "meg": "maintain"}.items():
        home.one.github.grant(REPO, person, role)  # type: ignore[arg-type]
    await home.one.drained()
    assert home.repo.id == new.id
    other = await home.propose("stolen")

    assert await home.refused(other, ROLLBACK) == "nothing_released"

    assert [row.project_id for row in await home.releases()] != [new.id]
    assert await home.serves() == "one"
