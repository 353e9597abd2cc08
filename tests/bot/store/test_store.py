"""Writing, reading, and hearing of changes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, insert

from bot.errors import Misconfigured
from bot.models import Effect
from bot.store import Store, engine


def add(session: Session, key: str) -> Effect:
    row = Effect(key=key)
    session.add(row)
    return row


def count_up(session: Session, key: str) -> int:
    row = session.get(Effect, key) or Effect(key=key, remote_id=0)
    row.remote_id = (row.remote_id or 0) + 1
    session.add(row)
    return row.remote_id


@asynccontextmanager
async def busy_writer(store: Store) -> AsyncIterator[None]:
    """What is submitted in this block waits until its end."""
    begun, held = threading.Event(), threading.Event()

    def hold(_session: Session) -> None:
        begun.set()
        held.wait(10)

    holding = asyncio.ensure_future(store.write(hold))
    await asyncio.to_thread(begun.wait, 10)
    yield
    await asyncio.sleep(0)  # all tasks made in the block have submitted theirs
    held.set()
    await holding


def find(session: Session, key: str) -> Effect | None:
    return session.get(Effect, key)


async def test_what_is_written_can_be_read(store: Store) -> None:
    await store.write(add, "a")
    assert await store.read(find, "a") == Effect(key="a")


async def test_one_that_fails_takes_nobody_with_it(store: Store) -> None:
    await store.write(add, "taken")
    results = await asyncio.gather(*(store.write(add, key) for key in ("a", "taken", "b")), return_exceptions=True)
    assert [type(result) for result in results] == [Effect, IntegrityError, Effect]
    assert await store.read(find, "a")
    assert await store.read(find, "b")


async def test_a_function_that_raises_leaves_nothing(store: Store) -> None:
    def add_and_stumble(session: Session) -> None:
        add(session, "a")
        raise LookupError

    results = await asyncio.gather(store.write(add_and_stumble), store.write(add, "b"), return_exceptions=True)
    assert isinstance(results[0], LookupError)
    assert await store.read(find, "a") is None
    assert await store.read(find, "b")


async def test_what_waits_together_is_committed_together(store: Store) -> None:
    before = store.changed
    async with busy_writer(store):
        writes = [asyncio.ensure_future(store.write(add, str(number))) for number in range(50)]
    await asyncio.gather(*writes)
    assert store.changed == before + 1


async def test_callers_in_one_commit_have_rows_of_their_own(store: Store) -> None:
    async with busy_writer(store):
        counts = [asyncio.ensure_future(store.write(count_and_return)) for _ in range(3)]
    assert [row.remote_id for row in await asyncio.gather(*counts)] == [1, 2, 3]


def count_and_return(session: Session) -> Effect:
    count_up(session, "n")
    return session.get_one(Effect, "n")


async def test_no_update_is_lost_between_two_processes(store: Store, url: str) -> None:
    other = Store.open(url)
    await asyncio.gather(*(one.write(count_up, "n") for _ in range(150) for one in (store, other)))
    row = await store.read(find, "n")
    assert row and row.remote_id == 300
    other.close()


async def test_what_waits_for_a_lock_waits_together(store: Store, url: str) -> None:
    await store.write(lambda _: store._writer._raw.execute("PRAGMA busy_timeout = 500"))  # ms, else 30 s
    foreign = sqlite3.connect(engine.path_of(url), isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    results = await asyncio.gather(*(store.write(add, str(number)) for number in range(50)), return_exceptions=True)
    assert time.monotonic() - began < 20  # one by one it were 25 seconds
    assert {type(result) for result in results} == {OperationalError}
    foreign.close()
    await store.write(add, "a")


async def test_a_writer_that_is_called_off_in_time_does_not_write(store: Store) -> None:
    async with busy_writer(store):
        write = asyncio.ensure_future(store.write(add, "a"))
        await asyncio.sleep(0)
        write.cancel()
    await store.write(add, "b")
    assert await store.read(find, "a") is None


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        await store.read(lambda session: session.execute(insert(Effect).values(key="a", asked_at=0)))


async def test_a_change_is_heard(store: Store) -> None:
    seen = store.changed
    waiting = asyncio.ensure_future(store.wait_changed(seen, 10))
    await store.write(add, "a")
    assert await waiting > seen


async def test_a_change_before_the_wait_is_not_missed(store: Store) -> None:
    seen = store.changed
    await store.write(add, "a")
    assert await store.wait_changed(seen, 10) > seen


async def test_what_changes_nothing_is_not_announced(store: Store) -> None:
    seen = store.changed
    await store.write(find, "a")
    assert await store.wait_changed(seen, 0.01) == seen


async def test_another_process_is_heard_within_a_tenth_of_a_second(store: Store, url: str) -> None:
    other = Store.open(url)
    seen = store.changed
    await other.write(add, "a")
    began = time.monotonic()
    assert await store.wait_changed(seen, 10) > seen
    assert time.monotonic() - began < 20  # 0.05 s by itself; a busy machine may take its time
    assert await store.read(find, "a")
    other.close()


async def test_our_own_commits_are_counted_once(store: Store) -> None:
    seen = store.changed
    await store.write(add, "a")
    await store.wait_changed(seen + 1, 0.2)
    assert store.changed == seen + 1


def test_only_one_worker_at_a_time(store: Store, url: str) -> None:
    other = Store.open(url)
    with store.only_worker(), pytest.raises(Misconfigured, match="Another worker"), other.only_worker():
        pass
    with other.only_worker():
        pass
    other.close()


async def test_closing_writes_what_was_asked_for(store: Store, url: str) -> None:
    writes = [asyncio.ensure_future(store.write(add, str(number))) for number in range(9)]
    await asyncio.sleep(0)
    store.close()
    await asyncio.gather(*writes)
    again = Store.open(url)
    assert await again.read(find, "8")
    again.close()


async def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        await store.write(find, "a")
    store.close()
