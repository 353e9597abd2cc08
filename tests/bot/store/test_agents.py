"""What is counted of agents: over projects, in a row, at one moment; and who is frozen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.audit import Entry
from bot.models import AgentFreeze, Delivery, Deployment, Project, PullRequest, State
from bot.policy.admission import Denied
from bot.policy.terms import Agents, Effective, Rate
from bot.store import Store, agents

NOW = 1_800_000_000.0
ROBO = 555
COUNT = itertools.count()


def terms(previews: int | None = None, attempts: int | None = None) -> Effective:
    return Effective(agents=Agents(rate=Rate(previews_per_hour=previews, attempts_per_pr=attempts)))


@pytest.fixture
async def books(store: Store) -> Store:
    def fill(session: Session) -> None:
        for number, installation in ((1, 10), (2, 10), (3, 99)):
            session.add(Project(id=number, installation_id=installation, owner="acme", name=f"p{number}"))
            for pull in (7, 8):
                fields: dict[str, Any] = {"author_id": ROBO, "author": "robo[bot]", "author_is_bot": True}
                fields |= {"agent": "robo", "agent_why": "declared", "agent_id": ROBO}
                session.add(PullRequest(project_id=number, number=pull, head_sha="a" * 40, **fields))

    await store.write(fill)
    return store


async def row(store: Store, project: int = 1, pull: int = 7, at: float = NOW, **fields: Any) -> str:
    ident = f"d{next(COUNT)}"
    named = {"id": ident, "delivery": ident, "project_id": project, "number": pull}
    said: dict[str, Any] = {**named, "sha": "a" * 40, "received_at": at, **fields}
    made = Deployment(**said)
    await store.write(lambda session: session.add(made))
    return ident


async def failed(store: Store, at: float, step: str = "build", **fields: Any) -> None:
    await row(store, at=at, state=State.FAILED, failure={"step": step}, **fields)


async def enter(
    store: Store, ident: str, effective: Effective, now: float = NOW, *, by_person: bool = False
) -> Denied | None:
    return await store.write(agents.let_in, ident, effective, now, by_person=by_person)


def code(denied: Denied | None) -> str | None:
    return denied.objection.reason_code if denied else None


async def test_the_rate_counts_over_all_projects_of_the_installation(books: Store) -> None:
    assert await enter(books, await row(books, project=1), terms(previews=2)) is None
    assert await enter(books, await row(books, project=2, at=NOW + 1), terms(previews=2), NOW + 1) is None

    third = await enter(books, await row(books, project=1, pull=8, at=NOW + 2), terms(previews=2), NOW + 2)
    elsewhere = await enter(books, await row(books, project=3, at=NOW + 2), terms(previews=2), NOW + 2)

    assert code(third) == "rate_limited"
    assert elsewhere is None


async def test_who_is_refused_ends_with_the_reason_and_is_sent_for_again(books: Store) -> None:
    await enter(books, await row(books), terms(previews=1))
    ident = await row(books, pull=8, at=NOW + 60)

    await enter(books, ident, terms(previews=1), NOW + 60)

    def read(session: Session) -> tuple[Deployment, list[tuple[str, float]]]:
        sent = [(one.event, one.run_at) for one in session.exec(select(Delivery)) if one.guid.startswith("look:")]
        return session.get_one(Deployment, ident), sent

    ended, sent = await books.read(read)
    assert ended.state is State.REFUSED
    assert ended.failure is not None and ended.failure["retry_at"] == NOW + 3600
    assert ended.limits is not None and ended.limits["previews_left"] == 0
    assert ("slipway.look", NOW + 3600) in sent


async def test_what_was_let_in_counts_once_however_often_it_is_tried_again(books: Store) -> None:
    ident = await row(books)

    assert await enter(books, ident, terms(previews=1)) is None
    assert await enter(books, ident, terms(previews=1), NOW + 5) is None


async def test_what_was_refused_does_not_count(books: Store) -> None:
    await enter(books, await row(books), terms(previews=1))
    for tick in range(3):
        await enter(books, await row(books, pull=8, at=NOW + tick), terms(previews=1), NOW + tick)

    assert await enter(books, await row(books, pull=8, at=NOW + 3601), terms(previews=1), NOW + 3601) is None


async def test_only_failures_in_a_row_count(books: Store) -> None:
    await failed(books, NOW - 90)
    await row(books, at=NOW - 80, state=State.REPLACED, live_at=NOW - 70)
    await failed(books, NOW - 60)
    await row(books, at=NOW - 50, state=State.CANCELLED)  # replaced: says nothing
    await failed(books, NOW - 40, step="slipway")  # a fault of ours
    await failed(books, NOW - 30)

    assert await enter(books, await row(books), terms(attempts=3)) is None
    assert code(await enter(books, await row(books, at=NOW + 1), terms(attempts=2))) == "attempts_exhausted"


async def test_a_person_gives_new_attempts(books: Store) -> None:
    await failed(books, NOW - 60)
    await failed(books, NOW - 30)
    by_hand = await row(books)

    assert await enter(books, by_hand, terms(attempts=2), by_person=True) is None
    await books.write(lambda session: setattr(session.get_one(Deployment, by_hand), "state", State.FAILED))

    assert await enter(books, await row(books, at=NOW + 1), terms(attempts=2), NOW + 1) is None


async def test_the_failures_of_another_pull_request_are_its_own(books: Store) -> None:
    await failed(books, NOW - 60)

    assert await enter(books, await row(books, pull=8), terms(attempts=1)) is None


async def test_people_have_no_limits(books: Store) -> None:
    def person(session: Session) -> None:
        pull = session.get_one(PullRequest, (1, 7))
        pull.agent = pull.agent_id = None
        pull.author_is_bot = False

    await books.write(person)

    assert await enter(books, await row(books), terms(previews=0, attempts=0)) is None


async def test_a_freeze_ends_by_itself_and_holds_in_its_project_only(books: Store) -> None:
    frozen = AgentFreeze(
        project_id=1, agent_id=ROBO, login="robo[bot]", reason="wild", by_id=1, by_login="meg", at=NOW, until=NOW + 60
    )
    await books.write(agents.freeze, frozen, Entry("agent.frozen", NOW, project_id=1))

    denied = await enter(books, await row(books), Effective())

    assert code(denied) == "agent_frozen" and denied is not None and denied.again == NOW + 60
    assert await enter(books, await row(books, project=2), Effective()) is None
    assert await enter(books, await row(books, at=NOW + 60), Effective(), NOW + 60) is None
    assert await books.read(agents.frozen, 1, NOW + 60) == []


async def test_a_sign_that_is_gone_takes_nothing_back(books: Store) -> None:
    weaker = agents.Known("OpenAI Codex", "the branch begins with codex/", None)

    await books.write(agents.note, 1, 7, weaker, 0)
    await books.write(agents.note, 1, 7, None, None)

    pull = await books.read(lambda session: session.get_one(PullRequest, (1, 7)))
    assert (pull.agent, pull.agent_id, pull.via_app) == ("robo", ROBO, 0)
