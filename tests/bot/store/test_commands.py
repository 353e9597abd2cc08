"""Rows of commands: taken on once, ended once, answered once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, col, func, select

from bot.audit import Entry
from bot.errands import answer
from bot.models import AuditEntry, Delivery, Deployment, PullRequest, State
from bot.store import Store, commands

NOW = 1000.0


def told(ident: str = "7") -> Any:
    return answer(1, 2, ident, comment=7, reaction="rocket")


def entry() -> Entry:
    return Entry("command.done", NOW, project_id=1, after={"command": "/keep 3d"})


def counts(session: Session) -> tuple[int, int]:
    lines, work = select(func.count(col(AuditEntry.seq))), select(func.count(col(Delivery.id)))
    return session.exec(lines).one(), session.exec(work).one()


async def test_a_command_is_taken_on_again_until_it_has_ended(store: Store) -> None:
    assert await store.write(commands.begin, "7", NOW)
    assert await store.write(commands.begin, "7", NOW + 1)

    assert await store.write(commands.end, "7", entry(), None, (told(),), NOW)

    assert not await store.write(commands.begin, "7", NOW + 2)
    assert await store.read(commands.known, "7")
    assert not await store.read(commands.known, "8")


async def test_a_second_end_writes_nothing(store: Store) -> None:
    done: list[str] = []
    await store.write(commands.begin, "7", NOW)
    for _time in range(2):
        await store.write(commands.end, "7", entry(), lambda _session: done.append("done"), (told(),), NOW)

    assert done == ["done"]
    assert await store.read(counts) == (1, 1)


async def test_an_end_is_whole_or_not_at_all(store: Store) -> None:
    def broken(_session: Session) -> None:
        raise RuntimeError("a fault")

    await store.write(commands.begin, "7", NOW)
    with pytest.raises(RuntimeError):
        await store.write(commands.end, "7", entry(), broken, (told(),), NOW)

    assert await store.read(counts) == (0, 0)
    assert await store.write(commands.begin, "7", NOW)


async def test_a_pull_request_is_answered_only_so_often(store: Store) -> None:
    for ident in "12":
        assert await store.write(commands.begin_answer, "1#2", ident, NOW, 2, 60.0) == (None, True)
    with pytest.raises(commands.TooMany):
        await store.write(commands.begin_answer, "1#2", "3", NOW, 2, 60.0)

    await store.write(commands.end_answer, "1#2", "1", 99)
    assert await store.write(commands.begin_answer, "1#2", "1", NOW, 2, 60.0) == (99, False)
    assert await store.write(commands.begin_answer, "1#22", "3", NOW, 2, 60.0) == (None, True)
    assert await store.write(commands.begin_answer, "1#2", "3", NOW + 61, 2, 60.0) == (None, True)


async def test_what_is_kept_is_kept_until_then(store: Store) -> None:
    await store.write(lambda session: session.add(PullRequest(project_id=1, number=2)))

    await store.write(commands.keep, 1, 2, NOW + 60, entry())

    assert await store.read(commands.kept, NOW) == {(1, 2)}
    assert await store.read(commands.kept, NOW + 61) == set()


async def test_a_check_names_its_own_deployment_only(store: Store) -> None:
    row = Deployment(id="d1", delivery="g", project_id=1, number=2, sha="a" * 40, state=State.LIVE, received_at=NOW)
    await store.write(lambda session: session.add(row))

    assert await store.read(commands.deployment_of_check, 1, "d1", "a" * 40) is not None
    assert await store.read(commands.deployment_of_check, 2, "d1", "a" * 40) is None
    assert await store.read(commands.deployment_of_check, 1, "d1", "b" * 40) is None
    assert await store.read(commands.deployment_of_check, 1, "d2", "a" * 40) is None
