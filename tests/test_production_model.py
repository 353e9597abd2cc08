"""Push, review, command, edit, close, crash in every order: what production serves is always something that was shown
before the command, approved at that head, and healthy.

Everything is real (store, queue, handlers, recipes, proxy, git, GitHub over HTTP) but the backend: instances are
sockets in memory, so that hundreds of examples are possible at all, and their health is drawn.  The backends have
contract tests of their own.  What is true is judged by GitHub's records (`tests.lives.Evidence`), never by ours.
One example takes two to three seconds of one core.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlmodel import Session, select

from bot.audit import verify
from bot.models import Environment, Release
from bot.store import audit
from demo.github.actions.pulls import NotMergeable
from demo.github.hub import Missing
from demo.github.records import Comment, Pull
from tests.lives import REPO, Lives, lives, passing, pooled
from tests.memory_runner import WORD
from tests.sizes import soak

pytestmark = pytest.mark.slow
T = TypeVar("T")
MAIN = "main--shop--acme.localhost"
BRANCHES = ("one", "two")
COMMITS = ("a", "b", "c", "a-again", "by-bob")
PEOPLE = {"ann": "write", "bob": "write", "rita": "write", "meg": "maintain", "olga": "admin", "ben": "read"}
COMMANDS = (
    "/promote production",
    "/promote production {head}",
    "/promote production {other}",
    "/rollback production --reason=bad",
    "/rollback production {other}",
    "/hold production",
    "/unhold production",
)
SKEW, GRACE = 2.0, 0.35  # what is tolerated between GitHub's stamp, our clock and an answer on its way
EVERYBODY = st.sampled_from([*PEOPLE, "eve"])
NUMBERS = st.integers(0, 3)  # of a pull request or a comment, counted from the newest
SOON = st.sampled_from([0.0, 0.0, 0.01, 0.03, 0.08, None])  # seconds of work before the next rule; None: all of it


class Pool:
    """Commits made once: each example copies them."""

    folder: Path | None = None
    shas: dict[str, str]
    sources: Path | None = None  # mirrors and trees of all examples

    @classmethod
    async def fill(cls, one: Lives) -> None:
        """Lay the commits into the repository of a new house; `main` is what all of them come after."""
        git = one.github.hub.repo(REPO).git
        if cls.folder is None:
            base = await git.resolve("heads/main")
            people = {"by-bob": "bob"}
            cls.shas = {"base": str(base)}
            for name in COMMITS:
                await git.point(f"refs/heads/{name}", base)
                files = {WORD: name.removesuffix("-again"), "Procfile": "web: ./run\n"}
                author = people.get(name, "ann")
                cls.shas[name] = await one.github.branch_commit(REPO, name, files, f"Make it {name}", author)
                await git.point(f"refs/heads/{name}", None)
            cls.folder = passing("slipway-pool-")
            pooled(cls.folder, git.path)
        else:
            pooled(git.path, cls.folder)
            await git.point("refs/heads/main", cls.shas["base"])
        one.evidence.hands = {cls.shas["by-bob"]: {"bob"}}

    @classmethod
    def cache(cls) -> Path:
        if cls.sources is None:
            cls.sources = passing("slipway-sources-")
        return cls.sources


class World(RuleBasedStateMachine):
    """One house; between two rules nothing moves."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.commands: dict[int, Comment] = {}  # as they were created
        self.proven: dict[str, str] = {}  # release -> artifact, once its evidence was looked at
        self.one = self.run(self.open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    async def open(self) -> Lives:
        one = await self.stack.enter_async_context(lives(Path(self.folder.name), Pool.cache()))
        self.github = one.github
        await self.github.create_repository("acme", "shop", {WORD: "base", "Procfile": "web: ./run\n"})
        for person, role in PEOPLE.items():
            self.github.user(person)
            self.github.grant(REPO, person, role)  # type: ignore[arg-type]
        self.repo = self.github.hub.repo(REPO)
        await Pool.fill(one)
        return one

    def teardown(self) -> None:
        try:
            self.run(self.at_last())
        finally:
            self.run(self.stack.aclose())
            self.loop.close()
            self.folder.cleanup()

    async def at_last(self) -> None:
        """All that was held back arrives; then the books are read from the first line on."""
        self.one.post.let_go([])
        await self.one.drained()
        assert await self.one.store.read(lambda session: verify(audit.lines(session))) is None
        await self.look()

    # -- what people do

    def pull(self, back: int) -> Pull | None:
        pulls = sorted(self.repo.pulls.values(), key=lambda one: -one.number)
        return pulls[back % len(pulls)] if pulls else None

    async def worked(self, seconds: float | None) -> None:
        await (self.one.drained() if seconds is None else asyncio.sleep(seconds))

    async def pushed(self, branch: str, commit: str) -> None:
        """Also a force push: most of them are no descendants of each other."""
        async with self.repo.git.writing:
            before = await self.repo.git.refs()
            await self.repo.git.point(f"refs/heads/{branch}", Pool.shas[commit])
            await self.github.refs_changed(self.repo, before, self.github.user("ann"))
        if not self.github.hub.pulls_of_head(self.repo, branch):
            await self.github.open_pull(REPO, branch, "main", f"Make it {commit}", "", "ann")

    async def said(self, number: int, who: str, body: str) -> int:
        ident = await self.github.comment(REPO, number, who, body)
        one = self.repo.comments[ident]
        self.commands[ident] = Comment(ident, number, one.user, body, one.created_at, one.updated_at, False)
        return ident

    @initialize(branch=st.sampled_from(BRANCHES), commit=st.sampled_from(COMMITS))
    def something_is_released(self, branch: str, commit: str) -> None:
        self.release(branch, commit, "rita", "meg", None)

    @rule(
        branch=st.sampled_from(BRANCHES),
        commit=st.sampled_from(COMMITS),
        reviewer=st.sampled_from(["bob", "rita"]),
        who=st.sampled_from(["meg", "olga"]),
        soon=SOON,
    )
    def release(self, branch: str, commit: str, reviewer: str, who: str, soon: float | None) -> None:
        """The straight way, as far as the day lets it."""

        async def go() -> None:
            await self.pushed(branch, commit)
            await self.one.drained()
            (pull,) = self.github.hub.pulls_of_head(self.repo, branch)
            await self.github.review(REPO, pull.number, reviewer)
            await self.said(pull.number, who, "/promote production")
            await self.worked(soon)

        self.run(go())

    @rule(branch=st.sampled_from(BRANCHES), commit=st.sampled_from(COMMITS), soon=SOON)
    def push(self, branch: str, commit: str, soon: float | None) -> None:
        async def go() -> None:
            await self.pushed(branch, commit)
            await self.worked(soon)

        self.run(go())

    @rule(
        back=NUMBERS, who=EVERYBODY, state=st.sampled_from(["APPROVED", "APPROVED", "CHANGES_REQUESTED", "COMMENTED"])
    )
    def review(self, back: int, who: str, state: str) -> None:
        pull = self.pull(back)
        if pull is not None and who != pull.user.login:
            self.run(self.github.review(REPO, pull.number, who, state))

    @rule(back=NUMBERS)
    def dismiss(self, back: int) -> None:
        pull = self.pull(back)
        if pull is not None and pull.reviews:
            pull.reviews[-1].state = "DISMISSED"

    @rule(
        back=NUMBERS,
        who=st.sampled_from(["meg", "olga", "meg", "ann", "bob", "ben", "eve"]),
        words=st.sampled_from(COMMANDS),
        other=st.sampled_from(COMMITS),
        soon=SOON,
    )
    def command(self, back: int, who: str, words: str, other: str, soon: float | None) -> None:
        async def go() -> None:
            pull = self.pull(back)
            if pull is not None:
                await self.said(pull.number, who, words.format(head=pull.head_sha, other=Pool.shas[other][:12]))
            await self.worked(soon)

        self.run(go())

    @rule(back=NUMBERS, who=st.sampled_from(["meg", "olga", "bob"]), soon=SOON)
    def talk_edited_into_a_command(self, back: int, who: str, soon: float | None) -> None:
        async def go() -> None:
            pull = self.pull(back)
            if pull is not None:
                ident = await self.github.comment(REPO, pull.number, who, "This looks good to me.")
                await self.github.edit_comment(REPO, ident, "/promote production")
            await self.worked(soon)

        self.run(go())

    @rule(back=NUMBERS, gone=st.booleans(), who=st.sampled_from(["bob", "meg"]))
    def command_edited_or_deleted(self, back: int, gone: bool, who: str) -> None:
        async def go() -> None:
            there = [self.repo.comments[ident] for ident in self.commands if ident in self.repo.comments]
            if there and gone:
                self.github.delete_comment(self.repo, there[-1 - back % len(there)], self.github.user(who))
            elif there:
                one = there[-1 - back % len(there)]
                await self.github.edit_comment(REPO, one.id, "/rollback production --reason=edited", who)

        self.run(go())

    @rule(back=NUMBERS, what=st.sampled_from(["close", "reopen", "merge", "squash"]), soon=SOON)
    def end_or_reopen(self, back: int, what: str, soon: float | None) -> None:
        async def go() -> None:
            pull = self.pull(back)
            with contextlib.suppress(NotMergeable, Missing):
                if pull is None:
                    return
                if what == "close":
                    await self.github.close_pull(REPO, pull.number)
                elif what == "reopen" and pull.state == "closed":
                    await self.github.reopen(REPO, pull.number)
                elif what in ("merge", "squash"):
                    await self.github.merge_pull(REPO, pull.number, "meg", "merge" if what == "merge" else "squash")
            await self.worked(soon)

        self.run(go())

    @rule(who=st.sampled_from(["meg", "rita", "bob"]), role=st.sampled_from(["read", "write", "maintain"]))
    def somebody_may_more_or_less(self, who: str, role: Any) -> None:
        self.github.grant(REPO, who, role)

    # -- what the world does

    @rule()
    def deliveries_are_held_up(self) -> None:
        self.one.post.holding = True

    @rule(order=st.lists(st.integers(0, 9), max_size=6), soon=SOON)
    def deliveries_arrive(self, order: list[int], soon: float | None) -> None:
        async def go() -> None:
            self.one.post.let_go(order)
            await self.worked(soon)

        self.run(go())

    @rule(back=st.integers(0, 30))
    def a_delivery_comes_again(self, back: int) -> None:
        every = self.github.deliveries
        self.github.hooks.redeliver(every[-1 - back % len(every)].id)

    @rule(how=st.sampled_from(["ill", "well", "dead"]))
    def what_serves_changes(self, how: str) -> None:
        async def go() -> None:
            _env, rows = await self.one.store.read(_books)
            machine, last = self.one.machine, rows[-1] if rows else None
            ident = (last.instance or {}).get("id") if last else None
            if ident in machine.running and how == "dead":
                await machine.stop(str(ident))
            elif ident in machine.running:
                machine.running[str(ident)].well = how == "well"

        self.run(go())

    @rule()
    def the_next_start_fails(self) -> None:
        self.one.machine.refusing = 1

    @rule(looks=st.integers(1, 7), apart=st.sampled_from([5.0, 51.0]))
    def time_passes(self, looks: int, apart: float) -> None:
        """The watch looks, so many times."""

        async def go() -> None:
            for _look in range(looks):
                await self.one.turn(apart)
                await self.one.drained()

        self.run(go())

    @rule(soon=SOON)
    def crash(self, soon: float | None) -> None:
        async def go() -> None:
            await self.one.crash()
            await self.worked(soon)

        self.run(go())

    # -- what must be true

    @invariant()
    def what_serves_was_shown_approved_and_healthy(self) -> None:
        self.run(self.look())

    async def look(self) -> None:
        """The books at any moment; what answers at the latest when the switch has reached the proxy."""
        tries = 0
        while not self.agreed(*await self.one.store.read(_books), await self.one.visit(MAIN)):
            tries += 1
            assert tries < 200, "the books and what answers do not agree"
            await asyncio.sleep(0.01)

    def agreed(self, env: Environment | None, rows: list[Release], answer: httpx.Response) -> bool:
        assert [row.generation for row in rows] == list(range(1, (env.generation if env else 0) + 1))
        for row in rows:
            if row.id not in self.proven:
                self.prove(row)
        if env is None or env.release is None:
            return answer.status_code == 404
        current, machine = rows[-1], self.one.machine
        assert env.release == current.id
        ident = (current.instance or {}).get("id", "")
        assert machine.answered[ident] == current.artifact
        return ident not in machine.running or answer.text == f"{machine.words[current.artifact]} {ident}"

    def prove(self, row: Release) -> None:
        """What GitHub saw must allow this release, at the time."""
        if row.kind == "rollback":
            assert row.artifact in self.proven.values()
        else:
            self.prove_promotion(row)
        self.proven[row.id] = row.artifact

    def prove_promotion(self, row: Release) -> None:
        ident = int(row.delivery.removeprefix("command:"))
        said, evidence = self.commands[ident], self.one.evidence
        assert said.body.startswith("/promote production")
        assert said.user.id == row.actor_id
        seen = min(self.one.post.arrived.get(ident, self.one.clock()), said.created_at + SKEW) + GRACE
        shown = [one for one in evidence.shown if one.number == row.number and one.at <= seen]
        assert (row.sha, row.artifact) in {(one.sha, one.artifact) for one in shown}
        pull = self.repo.pulls[row.number or 0]
        heads = {row.sha, pull.head_sha} if row.sha == pull.merge_sha else {row.sha}
        judged = [one for one in evidence.judged if one.number == row.number and one.at >= said.created_at]
        assert any(one.approved and one.head in heads for one in judged)
        asked = [role for at, login, role in evidence.roles if login == row.actor_login and at >= said.created_at]
        assert {"maintain", "admin"} & set(asked)
        assert row.actor_login != pull.user.login


def _books(session: Session) -> tuple[Environment | None, list[Release]]:
    """The environment, and what it served, oldest first."""
    rows = [row for row in session.exec(select(Release)) if row.generation is not None]
    return session.exec(select(Environment)).first(), sorted(rows, key=lambda row: row.generation or 0)


World.TestCase.settings = settings(
    max_examples=soak(12, 4), stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWorld = World.TestCase
