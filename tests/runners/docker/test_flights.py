"""Work that several wait for."""

from __future__ import annotations

import asyncio

import pytest

from runners.base import Log
from runners.docker.flights import Flights
from tests.runners.apps import Lines


class Work:
    """Counts how often it was begun and cancelled."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.go_on = asyncio.Event()

    async def __call__(self, log: Log) -> str:
        self.begun += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        log.write("done\n")
        return "made"


async def joined(flights: Flights[str], work: Work, count: int) -> tuple[list[asyncio.Task[str]], list[Lines]]:
    logs = [Lines() for _ in range(count)]
    tasks = [asyncio.create_task(flights.join("key", work, log)) for log in logs]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks, logs


async def test_all_get_the_one_result_and_its_log() -> None:
    work = Work()
    tasks, logs = await joined(Flights(), work, 3)
    work.go_on.set()

    assert await asyncio.gather(*tasks) == ["made"] * 3
    assert work.begun == 1
    assert [log.text for log in logs] == ["done\n"] * 3


async def test_it_goes_on_for_those_who_stay() -> None:
    work = Work()
    (first, second), (quiet, _) = await joined(Flights(), work, 2)
    first.cancel()
    await asyncio.wait([first])
    work.go_on.set()

    assert await second == "made"
    assert quiet.text == ""
    assert work.cancelled == 0


async def test_the_last_to_leave_ends_it_and_the_next_begins_anew() -> None:
    work, flights = Work(), Flights[str]()
    tasks, _ = await joined(flights, work, 2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert work.cancelled == 1

    work.go_on.set()

    assert await flights.join("key", work, Lines()) == "made"
    assert work.begun == 2


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    flights: Flights[str] = Flights()

    async def fails(_log: Log) -> str:
        await asyncio.sleep(0)
        raise ValueError("no")

    results = await asyncio.gather(*(flights.join("key", fails, Lines()) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 2

    work = Work()
    work.go_on.set()
    assert await flights.join("key", work, Lines()) == "made"


async def test_other_keys_are_other_work() -> None:
    work, flights = Work(), Flights[str]()
    work.go_on.set()

    await asyncio.gather(flights.join("a", work, Lines()), flights.join("b", work, Lines()))

    assert work.begun == 2


@pytest.mark.parametrize("count", [1, 2])
async def test_a_finished_flight_is_forgotten(count: int) -> None:
    work, flights = Work(), Flights[str]()
    work.go_on.set()

    for _ in range(count):
        await flights.join("key", work, Lines())

    assert work.begun == count
