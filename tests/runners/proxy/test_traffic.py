"""What the proxy counts: what the application did with requests, and how soon; nothing that is its own."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from runners.base import LATENCY, Target, Traffic
from tests.runners.proxy.stage import HOST, Stage, gone_port

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def by_path(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=int(request.path[1:]), body=b"four")


async def test_requests_failures_and_bytes_are_counted(stage: Stage) -> None:
    await stage.show(by_path)
    for status in (200, 404, 500, 503):
        await stage.get(f"/{status}")

    seen = stage.proxy.traffic()["d1"]

    assert (seen.requests, seen.failures, seen.bytes_out, seen.timed) == (4, 2, 16, 4)


async def test_what_was_told_is_not_told_again(stage: Stage) -> None:
    await stage.show(by_path)
    await stage.get("/200")
    first = stage.proxy.traffic()
    assert stage.proxy.traffic() == {}
    await stage.get("/500")

    total = first["d1"] + stage.proxy.traffic()["d1"]

    assert (total.requests, total.failures) == (2, 1)


async def test_no_answer_is_a_failure_without_a_time(stage: Stage) -> None:
    await stage.proxy.point(HOST, Target("instance", "d1", host="127.0.0.1", port=await gone_port()))
    assert (await stage.get("/"))[0] == 502

    seen = stage.proxy.traffic()["d1"]

    assert (seen.requests, seen.failures, seen.timed) == (1, 1, 0)


async def test_pages_of_our_own_do_not_count(stage: Stage) -> None:
    await stage.get("/")  # no preview here
    await stage.show(by_path)
    await stage.get("/__slipway__/status")
    await stage.proxy.point(HOST, Target("page", "d1", state="building"))
    await stage.get("/")

    assert stage.proxy.traffic() == {}


async def test_a_broken_request_says_nothing_of_the_application(stage: Stage) -> None:
    async def read(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=await request.read())

    await stage.show(read)
    await stage.raw(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n".encode())

    assert stage.proxy.traffic() == {}


async def test_an_upgrade_is_no_request_and_its_bytes_count(stage: Stage) -> None:
    async def chat(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("x" * 100)
        await socket.close()
        return socket

    await stage.show(chat)
    async with stage.client.ws_connect("/") as socket:
        assert (await socket.receive_str()) == "x" * 100
        await socket.receive()

    seen = stage.proxy.traffic()["d1"]

    assert (seen.requests, seen.failures, seen.timed) == (0, 0, 0)
    assert seen.bytes_out > 100


async def test_a_stream_is_as_fast_as_its_head(stage: Stage) -> None:
    gate = asyncio.Event()

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"one")
        await gate.wait()
        await answer.write(b"two")
        return answer

    await stage.show(stream)
    async with stage.client.get("/") as answer:
        assert await answer.content.readany() == b"one"
        counted = stage.proxy.traffic()["d1"]  # while it is still under way
        gate.set()
        assert await answer.content.readany() == b"two"

    assert (counted.requests, counted.timed, counted.bytes_out) == (1, 1, 3)
    rest = stage.proxy.traffic()["d1"]
    assert (rest.requests, rest.timed, rest.bytes_out) == (0, 0, 3)


async def test_a_slow_answer_is_told_from_a_fast_one(stage: Stage) -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.2 if request.path == "/slow" else 0)
        return web.Response()

    await stage.show(slow)
    await stage.get("/slow")
    await stage.get("/")

    seen = stage.proxy.traffic()["d1"]

    assert (seen.timed, seen.slower(0.15)) == (2, 1)


async def test_a_client_that_takes_its_time_to_ask_does_not_make_the_application_slow(stage: Stage) -> None:
    async def read(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=await request.read())

    async def body() -> object:  # type: ignore[misc]
        yield b"one"
        await asyncio.sleep(0.3)
        yield b"two"

    await stage.show(read)
    async with stage.client.post("/", data=body()) as answer:
        assert await answer.read() == b"onetwo"

    seen = stage.proxy.traffic()["d1"]

    assert (seen.timed, seen.slower(0.2)) == (1, 0)


async def test_a_client_that_leaves_at_once_says_nothing(stage: Stage) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        reached.set()
        await left.wait()
        return web.Response()

    await stage.show(silent)
    asking = asyncio.create_task(stage.get("/"))
    await reached.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await stage.proxy.drained("d1", 10)
    left.set()

    assert stage.proxy.traffic() == {}


async def test_a_client_that_gave_up_waiting_makes_it_slow(stage: Stage) -> None:
    left = asyncio.Event()

    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        await left.wait()
        return web.Response()

    await stage.show(silent)
    with contextlib.suppress(TimeoutError):
        await stage.get("/", timeout=aiohttp.ClientTimeout(total=2.2))
    assert await stage.proxy.drained("d1", 10)
    left.set()

    seen = stage.proxy.traffic()["d1"]

    assert (seen.requests, seen.failures, seen.slower(0.7)) == (1, 0, 1)


async def test_files_count_without_a_time(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    await stage.proxy.point(HOST, Target("static", "d1", path=str(tmp_path)))
    await stage.get("/")
    await stage.get("/nothing")

    seen = stage.proxy.traffic()["d1"]

    assert (seen.requests, seen.failures, seen.timed, seen.bytes_out) == (2, 0, 0, 5)


async def test_nothing_is_kept_of_what_was_told_and_ended(stage: Stage) -> None:
    for number in range(50):
        await stage.show(by_path, deployment=f"d{number}")
        await stage.get("/200")
    assert len(stage.proxy.traffic()) == 50

    exchanges = stage.proxy._exchanges

    assert not exchanges._counts
    assert not exchanges._open


LATENCIES = st.lists(st.integers(0, 1000), max_size=len(LATENCY) + 1).map(tuple)
TRAFFIC = st.builds(Traffic, st.integers(0), st.integers(0), st.integers(0), LATENCIES)


@given(TRAFFIC, TRAFFIC)
def test_what_is_added_can_be_taken_away(one: Traffic, two: Traffic) -> None:
    back = (one + two) - two
    assert Traffic.from_json(one.as_json()) == one
    assert (back.requests, back.failures, back.bytes_out, back.timed) == (
        one.requests,
        one.failures,
        one.bytes_out,
        one.timed,
    )


@given(TRAFFIC, st.floats(0.01, 1.0))
def test_a_quantile_bounds_that_share(one: Traffic, share: float) -> None:
    bound = one.quantile(share)
    if bound is None:
        assert one.timed == 0
    elif bound < LATENCY[-1]:
        assert one.slower(bound) <= (1 - share) * one.timed + 1e-6
