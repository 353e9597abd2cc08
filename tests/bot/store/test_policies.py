"""The layers' texts, what pull requests would make of them, and decisions, in the books."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.models import AuditEntry, Decision, Delivery, PolicyText, Project, PullRequest
from bot.policy import GATE, Facts, Role
from bot.store import Store, decisions, policies
from bot.store.policies import Reading, Way

SHA, OTHER = "a" * 40, "b" * 40
FACTS = Facts("production", 1, "mia", actor_person=True, actor_role=Role.ADMIN)


@pytest.fixture
async def books(store: Store) -> Store:
    """Two projects of one organization, with three open pull requests and a closed one."""

    def fill(session: Session) -> None:
        for number in (1, 2):
            session.add(Project(id=number, installation_id=7, owner="acme", name=f"shop{number}"))
        session.add(Project(id=3, installation_id=7, owner="acme", name="old", state="archived"))
        for project, number, state in ((1, 1, "open"), (1, 2, "open"), (1, 3, "closed"), (2, 1, "open")):
            session.add(
                PullRequest(project_id=project, number=number, state=state, head_sha=SHA if number == 1 else OTHER)
            )

    await store.write(fill)
    return store


def entries(session: Session) -> list[dict[str, Any]]:
    found = [json.loads(row.payload) for row in session.exec(select(AuditEntry).order_by(col(AuditEntry.seq)))]
    return [one for one in found if one["what"] == "policy.changed"]


def sent(session: Session, event: str) -> list[tuple[str, str]]:
    rows = session.exec(select(Delivery).where(Delivery.event == event).order_by(col(Delivery.id)))
    return [(row.key, row.state.value) for row in rows]


async def kept(store: Store, layer: str = "project:1") -> PolicyText:
    row = await store.read(policies.text_of, layer)
    assert row is not None
    return row


async def test_what_is_no_policy_leaves_the_last_one_in_force(books: Store) -> None:
    await books.write(policies.note_text, "project:1", Reading(b"version: 1", "s1"), [1], 5.0)
    await books.write(policies.note_text, "project:1", Reading(b"nonsense", "s2", "line 1: no"), [1], 6.0)

    row = await kept(books)
    assert (row.text, row.sha, row.fault) == (b"nonsense", "s2", "line 1: no")
    assert (row.valid_text, row.valid_sha, row.read_at) == (b"version: 1", "s1", 6.0)


async def test_a_file_that_was_removed_says_nothing_any_more(books: Store) -> None:
    await books.write(policies.note_text, "project:1", Reading(b"version: 1", "s1"), [1], 5.0)

    assert await books.write(policies.note_text, "project:1", Reading(), [1], 6.0)

    row = await kept(books)
    assert (row.text, row.valid_text, row.valid_sha, row.fault) == (None, None, None, None)


async def test_the_same_again_is_no_change(books: Store) -> None:
    reading = Reading(b"version: 1", "s1")
    assert await books.write(policies.note_text, "project:1", reading, [1], 5.0)

    assert not await books.write(policies.note_text, "project:1", reading, [1], 6.0)
    assert not await books.write(policies.note_text, "project:2", Reading(), [2], 6.0)

    assert len(await books.read(entries)) == 1
    assert (await kept(books)).read_at == 5.0


async def test_every_change_is_in_the_books_with_what_it_was_before(books: Store) -> None:
    await books.write(policies.note_text, "project:1", Reading(b"version: 1", "s1"), [1], 5.0)
    await books.write(policies.note_text, "project:1", Reading(b"nonsense", "s2", "line 1: no"), [1], 6.0)

    first, second = await books.read(entries)

    assert first["project"] == 1 and "before" not in first
    assert second["before"] == {"digest": first["after"]["digest"]}
    assert second["after"]["digest"] == first["after"]["digest"]
    assert second["after"]["fault"] == "line 1: no"
    assert second["after"]["refused"] != first["after"]["digest"]


async def test_a_change_asks_again_about_every_open_pull_request_that_it_speaks_for(books: Store) -> None:
    both = await books.read(policies.served, 7)
    assert both == [1, 2]

    await books.write(policies.note_text, "organization:7", Reading(b"version: 1", "s1"), both, 5.0)

    judged = [key for key, _state in await books.read(sent, "slipway.judge")]
    looked = [key for key, _state in await books.read(sent, "slipway.policy")]
    assert judged == [f"1@{SHA}:gate", f"1@{OTHER}:gate", f"2@{SHA}:gate"]
    assert looked == ["1#1:policy", "1#2:policy", "2#1:policy"]
    (entry,) = await books.read(entries)
    assert "project" not in entry and entry["after"]["layer"] == "organization:7"


async def test_back_and_forth_is_asked_about_each_time(books: Store) -> None:
    for at, text in enumerate((b"version: 1", b"", b"version: 1"), start=1):
        await books.write(policies.note_text, "project:2", Reading(text, "s"), [2], float(at))

    states = [state for _key, state in await books.read(sent, "slipway.judge")]
    assert states == ["superseded", "superseded", "queued"]


async def test_a_verdict_is_about_one_head(books: Store) -> None:
    assert await books.read(policies.of_head, 1, 1, SHA) is None

    await books.write(policies.note_change, 1, 1, SHA, "looser", 5.0)

    assert await books.read(policies.of_head, 1, 1, SHA) == "looser"
    assert await books.read(policies.of_head, 1, 1, OTHER) is None
    assert await books.read(policies.of_head, 1, 2, SHA) is None


async def test_a_new_verdict_asks_for_the_gate_and_the_same_one_does_not(books: Store) -> None:
    ways: tuple[Way, ...] = ("looser", "looser", "tighter")
    for at, way in enumerate(ways, start=1):
        await books.write(policies.note_change, 1, 1, SHA, way, float(at))

    assert len(await books.read(sent, "slipway.judge")) == 2


async def test_what_was_told_of_one_head_is_not_told_of_the_next(books: Store) -> None:
    first = await books.write(policies.note_change, 1, 1, SHA, "looser", 1.0)
    await books.write(policies.note_told, 1, 1, SHA, "d1")
    await books.write(policies.note_told, 1, 1, OTHER, "d2")
    again = await books.write(policies.note_change, 1, 1, SHA, "none", 2.0)
    next_head = await books.write(policies.note_change, 1, 1, OTHER, "none", 3.0)

    assert [(one.told, one.run) for one in (first, again, next_head)] == [(None, 0), ("d1", 1), (None, 0)]


# ---- decisions


async def note(books: Store, facts: Facts = FACTS, project: int = 1, number: int = 1, now: float = 1.0) -> Decision:
    return await books.write(decisions.note, facts, GATE, project_id=project, number=number, kind="gate", now=now)


async def test_a_decision_keeps_what_it_was_made_of(books: Store) -> None:
    await note(books)

    row = await books.read(decisions.of_pull, 1, 1)
    assert row is not None
    assert not row.allowed and "approval_unknown" in row.codes
    assert len(row.rulings) == len(GATE)
    assert row.policy_digest == FACTS.policy.digest and "policy" not in row.facts
    assert await books.read(decisions.of_pull, 1, 2) is None


async def test_the_same_decision_again_is_kept_once(books: Store) -> None:
    first = await note(books)

    again = await note(books, dataclasses.replace(FACTS, now=50.0), now=50.0)
    other = await note(books, dataclasses.replace(FACTS, draft=False), now=51.0)

    assert (again.id, other.id == first.id) == (first.id, False)


async def test_only_the_latest_of_a_project_are_kept(books: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "KEPT", 3)
    await note(books, project=2)
    for number in range(1, 6):
        await note(books, number=number, now=float(number))

    assert [row.number for row in await books.read(decisions.latest, 1, 50)] == [5, 4, 3]
    assert [row.number for row in await books.read(decisions.latest, 1, 2)] == [5, 4]
    assert len(await books.read(decisions.latest, 2, 50)) == 1
