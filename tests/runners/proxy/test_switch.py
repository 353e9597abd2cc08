"""Pointing a hostname elsewhere: the only switch, and nobody notices it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from runners.base import Router, Target
from tests.runners.proxy.stage import HOST, Stage


def version(number: int, delay: float = 0.002) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        await asyncio.sleep(delay)
        return web.Response(text=f"{number} {len(body)}")

    return handler


def test_it_is_a_router(stage: Stage) -> None:
    router: Router = stage.proxy
    assert router is stage.proxy


async def test_no_request_fails_in_fifty_switches_under_load(stage: Stage) -> None:
    failures: list[str] = []
    asked, over = 0, False

    async def load(method: str) -> None:
        nonlocal asked
        body = b"x" * 5000 if method == "POST" else None
        while not over:
            async with stage.client.request(method, "/", data=body) as answer:
                text = await answer.text()
                asked += 1
                if answer.status != 200 or not text.endswith(" 5000" if body else " 0"):
                    failures.append(f"{method} {answer.status} {text[:200]}")

    current, stop_current = await stage.instance_to_stop(version(0), "d0")
    await stage.proxy.point(HOST, current)
    clients = [asyncio.create_task(load(method)) for method in ("GET", "POST") * 8]
    for number in range(1, 51):
        following, stop_following = await stage.instance_to_stop(version(number), f"d{number}")
        before = asked
        while asked < before + 10:  # let it serve
            await asyncio.sleep(0.001)
        await stage.proxy.point(HOST, following)
        assert await stage.proxy.drained(current.deployment, 5)
        await stop_current()
        current, stop_current = following, stop_following
    over = True
    await asyncio.gather(*clients)
    await stop_current()

    assert failures == []
    assert asked > 500


async def test_a_request_that_began_ends_where_it_was(stage: Stage) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        began.set()
        await go_on.wait()
        return web.Response(text="old")

    await stage.show(slow, deployment="old")
    waiting = asyncio.create_task(stage.get("/"))
    await began.wait()
    await stage.proxy.point(HOST, await stage.instance(version(2, 0), "new"))
    assert await stage.get("/") == (200, "2 0")
    assert not await stage.proxy.drained("old", 0.01)
    draining = asyncio.create_task(stage.proxy.drained("old", 5))
    go_on.set()
    assert await waiting == (200, "old")
    assert await draining


async def test_a_deployment_that_nobody_asks_is_drained_at_once(stage: Stage) -> None:
    assert await stage.proxy.drained("never seen", 0)


async def test_a_dropped_hostname_leads_nowhere(stage: Stage) -> None:
    await stage.show(version(1, 0))
    await stage.proxy.drop(HOST)
    await stage.proxy.drop(HOST)
    status, page = await stage.get("/")
    assert status == 404
    assert "No preview here" in page


async def test_hostnames_are_read_in_any_case_with_any_port(stage: Stage) -> None:
    await stage.show(version(1, 0))
    for host in (HOST.upper(), f"{HOST}.", f"{HOST}:8000", f"{HOST}.:80"):
        assert await stage.get("/", headers={"Host": host}) == (200, "1 0"), host


async def test_it_serves_what_lies_below_its_domain_and_what_it_was_pointed_at(stage: Stage) -> None:
    assert stage.proxy.serves("anything.localhost")
    assert stage.proxy.serves("ANYTHING.LOCALHOST.")
    for other in ("localhost", "evillocalhost", "localhost.example.com", "", "127.0.0.1", "shop.example.com"):
        assert not stage.proxy.serves(other), other
    await stage.proxy.point("shop.example.com", Target("page", "d1", state="building"))
    assert stage.proxy.serves("Shop.example.com")


async def test_activity_is_told_once_and_by_deployment(stage: Stage) -> None:
    await stage.show(version(1, 0))
    await stage.get("/")
    stage.now = 1001.0
    await stage.get("/")
    assert stage.proxy.activity() == {"d1": 1001.0}
    assert stage.proxy.activity() == {}


async def test_looking_at_the_progress_is_no_activity(stage: Stage) -> None:
    await stage.show(version(1, 0))
    await stage.get("/__slipway__/status")
    await stage.proxy.point(HOST, Target("page", "d1", state="building"))
    await stage.get("/")
    assert stage.proxy.activity() == {}
