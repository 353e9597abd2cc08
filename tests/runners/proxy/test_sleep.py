"""A preview that sleeps is woken by the first request, and the request waits for it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io

from aiohttp import web

from runners.base import Target
from tests.runners.proxy.stage import HOST, Stage, staged


async def digest(request: web.BaseRequest) -> web.StreamResponse:
    seen = hashlib.sha256()
    async for piece in request.content.iter_any():
        seen.update(piece)
    return web.Response(text=seen.hexdigest())


async def asleep(stage: Stage) -> tuple[Target, asyncio.Event]:
    """A sleeping instance, and the event that lets it wake."""
    awake, up = await stage.instance(digest), asyncio.Event()

    async def wake(host: str, _target: Target) -> None:
        await up.wait()
        await stage.proxy.point(host, awake)

    stage.on_wake = wake
    sleeper = dataclasses.replace(awake, asleep=True)
    await stage.proxy.point(HOST, sleeper)
    return sleeper, up


async def until_woken(stage: Stage) -> None:
    while not stage.woken:
        await asyncio.sleep(0)


async def test_many_requests_wake_it_once_and_all_are_answered(stage: Stage) -> None:
    sleeper, up = await asleep(stage)
    asking = [asyncio.create_task(stage.get("/")) for _ in range(20)]
    await until_woken(stage)
    up.set()
    assert {status for status, _ in await asyncio.gather(*asking)} == {200}
    assert stage.woken == [(HOST, sleeper)]


async def test_a_body_that_arrives_meanwhile_is_not_lost(stage: Stage) -> None:
    _, up = await asleep(stage)
    sent = bytes(range(256)) * 12 * 1024

    async def post() -> str:
        async with stage.client.post("/", data=io.BytesIO(sent)) as answer:
            return await answer.text()

    posting = asyncio.create_task(post())
    await until_woken(stage)
    up.set()
    assert await posting == hashlib.sha256(sent).hexdigest()


async def test_one_that_does_not_wake_in_time_shows_its_progress() -> None:
    async with staged(hold=0.05) as stage:
        _, up = await asleep(stage)
        async with stage.client.get("/") as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert "Waking up" in await answer.text()
        up.set()


async def test_one_that_can_not_be_woken_says_so_at_once_and_may_be_tried_again(stage: Stage) -> None:
    await asleep(stage)

    async def fail(_host: str, _target: Target) -> None:
        raise RuntimeError("no room")

    stage.on_wake = fail
    assert (await stage.get("/"))[0] == 503
    assert (await stage.get("/"))[0] == 503
    assert len(stage.woken) == 2


async def test_a_sleeping_page_is_woken_too(stage: Stage) -> None:
    """A preview whose instance was taken down keeps only a page."""
    awake = await stage.instance(digest)

    async def wake(host: str, _target: Target) -> None:
        await stage.proxy.point(host, awake)

    stage.on_wake = wake
    await stage.proxy.point(HOST, Target("page", "d1", state="replaced", asleep=True))
    assert (await stage.get("/"))[0] == 200


async def test_a_table_told_twice_wakes_it_once(stage: Stage) -> None:
    sleeper, up = await asleep(stage)
    asking = asyncio.create_task(stage.get("/"))
    await until_woken(stage)
    await stage.proxy.point(HOST, dataclasses.replace(sleeper))
    up.set()
    assert (await asking)[0] == 200
    assert len(stage.woken) == 1


async def test_closing_answers_those_who_wait() -> None:
    async with staged() as stage:
        await asleep(stage)
        asking = asyncio.create_task(stage.get("/"))
        await until_woken(stage)
        await stage.proxy.close()
        assert (await asking)[0] == 503


async def test_a_new_commit_that_sleeps_is_woken_in_its_own_right(stage: Stage) -> None:
    _, up = await asleep(stage)
    asking = asyncio.create_task(stage.get("/"))
    await until_woken(stage)
    following = Target("page", "d2", asleep=True)
    await stage.proxy.point(HOST, following)
    while len(stage.woken) < 2:
        await asyncio.sleep(0)
    assert stage.woken[1] == (HOST, following)
    up.set()
    assert (await asking)[0] == 200


async def test_one_that_is_dropped_while_it_wakes_is_gone(stage: Stage) -> None:
    await asleep(stage)
    asking = asyncio.create_task(stage.get("/"))
    await until_woken(stage)
    await stage.proxy.drop(HOST)
    assert (await asking)[0] == 404


async def test_asking_for_the_status_wakes_nobody(stage: Stage) -> None:
    await asleep(stage)
    async with stage.client.get("/__slipway__/status") as answer:
        told = await answer.json()
    assert (told["state"], told["live"]) == ("asleep", False)
    assert stage.woken == []
