"""The worker over a real database, with handlers that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sqlite3
import time
from typing import Any

import pytest

from bot import worker as worker_module
from bot.deliveries import Order
from bot.errors import Misconfigured, Superseded, TryLater
from bot.models import Delivery, Effect, Work
from bot.store import Store, deliveries, engine
from bot.worker import Worker
from tests.bot.work import SOON, Clock, Handlers, put, refresh, rows, settled, working


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker looks again after some seconds, should a signal be lost.  Here none may be."""
    monkeypatch.setattr(worker_module, "_LOOK_AGAIN", 600.0)


async def test_what_is_accepted_is_done(store: Store) -> None:
    waiting = await put(store, "before", key="a")
    async with working(store, Handlers()):
        await put(store, "after", key="b")
        found = await settled(store, before=Work.DONE, after=Work.DONE)
    assert found[waiting].attempt == 1
    assert (found[waiting].ended_at or 0) >= (found[waiting].started_at or 0) > 0


async def test_no_wake_up_is_lost(store: Store) -> None:
    handlers = Handlers()
    began = time.monotonic()
    async with working(store, handlers):
        for number in range(200):  # each waits for the one before: a lost signal would cost five seconds
            guid = await put(store, key=str(number % 3))
            await handlers.until(lambda guid=guid: guid in handlers.ended)  # type: ignore[misc]
    assert time.monotonic() - began < SOON


async def test_a_delayed_one_starts_when_it_is_due(store: Store) -> None:
    handlers = Handlers()
    async with working(store, handlers):
        later = time.time() + 0.2
        guid = await put(store, run_at=later)
        await put(store, "now", key="b", run_at=later + 1000)
        await handlers.until(lambda: guid in handlers.started)
        assert time.time() >= later
        assert handlers.started == [guid]


async def test_another_process_is_heard(store: Store, url: str) -> None:
    door = Store.open(url)
    handlers = Handlers()
    async with working(store, handlers):
        guid = await put(door)
        await handlers.until(lambda: guid in handlers.ended)
    door.close()


async def test_a_newer_commit_cancels_the_older_ones_work(store: Store) -> None:
    handlers = Handlers(wait=True)
    async with working(store, handlers):
        await refresh(store, "old")
        await handlers.until(lambda: handlers.started == ["old"])
        await refresh(store, "new")
        await handlers.until(lambda: "new" in handlers.started)
        assert handlers.cancelled == ["old"]
        handlers.go.set()
        await settled(store, old=Work.SUPERSEDED, new=Work.DONE)


@pytest.mark.parametrize("burst", range(4))
async def test_of_every_burst_exactly_the_last_is_done(store: Store, burst: int) -> None:
    lanes, commits = 12, 2 + burst
    handlers = Handlers(wait=True)

    async def push(lane: int) -> None:
        for commit in range(commits):
            key = str(lane)
            await put(store, f"{lane}-{commit}", key=key, topic=f"{key}:refresh", action="synchronize", heavy=True)

    async with working(store, handlers, heavy=3):
        await asyncio.gather(*map(push, range(lanes)))
        handlers.go.set()
        found = await settled(store, **{f"{lane}-{commits - 1}": Work.DONE for lane in range(lanes)})
    assert {guid for guid, row in found.items() if row.state == Work.DONE} == {
        f"{lane}-{commits - 1}" for lane in range(lanes)
    }
    assert {row.state for row in found.values()} == {Work.DONE, Work.SUPERSEDED}


async def test_a_claim_on_its_way_to_us_hears_that_it_is_superseded(url: str) -> None:
    class Late(Store):
        """A database whose claims arrive after the next push."""

        async def write(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
            result = await super().write(fn, *args, **kwargs)
            if fn is worker_module._look and [one.guid for one in result[1]] == ["old"]:
                await super().write(deliveries.accept, "new", "pull_request", {}, order, 0.0)
            return result

    order = Order("1#1", "1#1:refresh", action="synchronize")
    store = Late.open(url)
    handlers = Handlers(wait=True)
    async with working(store, handlers):
        await refresh(store, "old")
        await settled(store, old=Work.SUPERSEDED, new=Work.RUNNING)
        handlers.go.set()
        await settled(store, new=Work.DONE)
    store.close()


async def test_a_handler_that_is_cancelled_before_its_first_step_is_ended_too(store: Store) -> None:
    handlers = Handlers()
    await put(store, "a")
    worker = Worker(store, handlers, heavy=1)
    (claimed,), _due = await store.write(deliveries.claim, time.time(), 1, 1)
    worker._begin(claimed)
    worker._cancel([claimed.id or 0], Work.SUPERSEDED)
    await settled(store, a=Work.SUPERSEDED)
    assert handlers.started == []


async def test_a_lane_never_runs_two(store: Store) -> None:
    handlers = Handlers()
    async with working(store, handlers):
        guids = [await put(store) for _ in range(30)]
        await handlers.until(lambda: len(handlers.ended) == 30)
    assert handlers.started == guids
    assert handlers.most == 1


async def test_builds_have_as_many_places_as_there_are(store: Store) -> None:
    handlers = Handlers(wait=True)
    for number in range(6):
        await put(store, key=str(number), heavy=True)
    async with working(store, handlers, heavy=2) as worker:
        await handlers.until(lambda: len(handlers.started) == 2)
        light = await put(store, key="light")
        await handlers.until(lambda: light in handlers.started)
        assert worker.running == 3
        handlers.go.set()
        await handlers.until(lambda: len(handlers.ended) == 7)
    assert handlers.most == 3


async def test_a_handler_that_raises_is_tried_four_times(store: Store) -> None:
    clock, tries = Clock(), []

    async def fail(delivery: Delivery) -> None:
        if delivery.guid != "a":
            return
        tries.append(clock.now)
        raise LookupError("no ghs_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa here")

    async with working(store, fail, clock=clock):
        await put(store, "a")
        for wait in (2, 8, 30):
            await settled(store, a=Work.QUEUED)
            async with asyncio.timeout(SOON):
                while (await store.read(rows))["a"].run_at != clock.now + wait:
                    await store.wait_changed(store.changed, 0.1)
            clock.now += wait
            await put(store, key="wakes the worker")
        found = await settled(store, a=Work.FAILED)
    assert tries == [1000.0, 1002.0, 1010.0, 1040.0]
    assert found["a"].error == "LookupError: no *** here"
    assert found["a"].failures == 4


async def test_a_wait_that_github_asked_for_is_kept_and_not_counted(store: Store) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)

    async def wait(delivery: Delivery) -> None:
        raise TryLater("rate limit", until)

    async with working(store, wait):
        await put(store, "a")
        async with asyncio.timeout(SOON):
            while not (row := (await store.read(rows))["a"]).run_at:
                await store.wait_changed(store.changed, 0.1)
    assert (row.state, row.failures, row.run_at) == (Work.QUEUED, 0, until.timestamp())


async def test_a_handler_may_say_itself_that_it_is_superseded(store: Store) -> None:
    async def give_way(delivery: Delivery) -> None:
        raise Superseded("the head has moved")

    async with working(store, give_way):
        await put(store, "a")
        await settled(store, a=Work.SUPERSEDED)


async def test_one_that_fails_while_it_is_cancelled_is_superseded(store: Store) -> None:
    started = asyncio.Event()

    async def untidy(delivery: Delivery) -> None:
        if delivery.guid == "new":
            return
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("could not clean up")

    async with working(store, untidy):
        await refresh(store, "old")
        await started.wait()
        await refresh(store, "new")
        await settled(store, old=Work.SUPERSEDED, new=Work.DONE)


async def test_a_handler_that_cancels_itself_has_failed(store: Store) -> None:
    async def leak(delivery: Delivery) -> None:
        raise asyncio.CancelledError

    async with working(store, leak):
        await put(store, "a")
        async with asyncio.timeout(SOON):
            while not (row := (await store.read(rows))["a"]).failures:
                await store.wait_changed(store.changed, 0.1)
    assert row.error == "RuntimeError: The handler cancelled itself."


async def test_stopping_lets_work_end_within_the_grace(store: Store) -> None:
    handlers = Handlers(wait=True)
    async with working(store, handlers) as worker:
        await put(store, "a")
        await handlers.until(lambda: handlers.started == ["a"])
        await put(store, "b", key="1#1")
        stopping = asyncio.create_task(worker.stop(grace=SOON))
        await asyncio.sleep(0)
        handlers.go.set()
        await stopping
        found = await store.read(rows)
    assert (found["a"].state, found["b"].state) == (Work.DONE, Work.QUEUED)


async def test_what_is_stopped_goes_back_to_the_queue_and_is_begun_again(store: Store) -> None:
    handlers = Handlers(wait=True)
    async with working(store, handlers):
        await put(store, "a")
        await handlers.until(lambda: handlers.started == ["a"])
    row = (await store.read(rows))["a"]
    assert (row.state, row.failures, handlers.cancelled) == (Work.QUEUED, 0, ["a"])
    async with working(store, Handlers()):
        await settled(store, a=Work.DONE)


async def test_a_worker_that_is_cancelled_leaves_nothing_running(store: Store) -> None:
    handlers = Handlers(wait=True)
    running = asyncio.create_task(Worker(store, handlers, heavy=2).run())
    for number in range(3):
        await put(store, f"g{number}", key=str(number))
    await handlers.until(lambda: len(handlers.started) == 3)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert {row.state for row in (await store.read(rows)).values()} == {Work.QUEUED}


async def test_a_second_worker_is_refused_and_the_first_goes_on(store: Store, url: str) -> None:
    other = Store.open(url)
    async with working(store, Handlers()):
        await put(store, "a")
        await settled(store, a=Work.DONE)
        second = Worker(other, Handlers(), heavy=1)
        with pytest.raises(Misconfigured, match="Another worker"):
            await second.run()
        await second.stop()
        await put(store, "b")
        await settled(store, b=Work.DONE)
    other.close()


async def test_the_local_effect_is_written_with_the_end(store: Store) -> None:
    async def leave(delivery: Delivery) -> deliveries.Apply:
        return lambda session: session.add(Effect(key=delivery.guid))

    async with working(store, leave):
        await put(store, "a")
        await settled(store, a=Work.DONE)
    assert await store.read(lambda session: session.get(Effect, "a"))


async def test_an_effect_that_cannot_be_written_is_the_handlers_failure(store: Store) -> None:
    async def leave(delivery: Delivery) -> deliveries.Apply:
        return lambda session: session.add(Effect(key="taken"))

    await store.write(lambda session: session.add(Effect(key="taken")))
    async with working(store, leave):
        await put(store, "a")
        async with asyncio.timeout(SOON):
            while not (row := (await store.read(rows))["a"]).failures:
                await store.wait_changed(store.changed, 0.1)
    assert row.state == Work.QUEUED
    assert "UNIQUE" in (row.error or "")


async def test_a_locked_database_delays_and_loses_nothing(store: Store, url: str) -> None:
    handlers = Handlers(wait=True)
    async with working(store, handlers):
        await put(store, "a")
        await handlers.until(lambda: handlers.started == ["a"])
        foreign = sqlite3.connect(engine.path_of(url), isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        handlers.go.set()
        await handlers.until(lambda: handlers.ended == ["a"])
        foreign.execute("ROLLBACK")
        foreign.close()
        await settled(store, a=Work.DONE)


async def test_a_handler_that_takes_too_long_has_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_LONGEST", 0.01)
    handlers = Handlers(wait=True)
    async with working(store, handlers):
        await put(store, "a")
        async with asyncio.timeout(SOON):
            while not (row := (await store.read(rows))["a"]).failures:
                await store.wait_changed(store.changed, 0.1)
    assert "TimeoutError" in (row.error or "")


async def test_one_that_does_not_stop_is_left_behind(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_CLEANING", 0.05)
    started, go = asyncio.Event(), asyncio.Event()

    async def stubborn(delivery: Delivery) -> None:
        started.set()
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()

    async with working(store, stubborn):
        await put(store, "a")
        await started.wait()
    assert (await store.read(rows))["a"].state == Work.QUEUED
    go.set()
    await settled(store, a=Work.QUEUED)  # its late end is not written: the claim is no longer current
