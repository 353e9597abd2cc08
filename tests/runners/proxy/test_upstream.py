"""Requests to instances arrive as they were sent, and answers come back as they were given."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from runners.base import Target
from tests.runners.proxy.stage import HOST, Stage, gone_port

MIB = 1024 * 1024


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Answers with what it was asked."""
    body = await request.read()
    told = {
        "method": request.method,
        "path": request.raw_path,
        "headers": [list(pair) for pair in request.headers.items()],
        "body": hashlib.sha256(body).hexdigest(),
        "length": len(body),
    }
    return web.Response(text=json.dumps(told), content_type="application/json")


def fields(told: dict[str, object], name: str) -> list[str]:
    return [value for key, value in told["headers"] if key.lower() == name.lower()]  # type: ignore[attr-defined]


async def ask(stage: Stage, path: str = "/", **headers: str) -> dict[str, object]:
    async with stage.client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()}) as answer:
        told: dict[str, object] = await answer.json()
        return told


async def raw_ask(stage: Stage, target: str, extra: str = "") -> dict[str, object]:
    head = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{extra}\r\n"
    told: dict[str, object] = json.loads((await stage.raw(head.encode())).partition(b"\r\n\r\n")[2])
    return told


@pytest.mark.parametrize(
    "path", ["/a%2Fb", "//double//", "/?", "/x?a=1&&b=%20+", "/a/../b/./c", "/%7Euser/%e4", "/;p=1?q#f", "/*"]
)
async def test_the_path_arrives_byte_for_byte(stage: Stage, path: str) -> None:
    await stage.show(echo)
    assert (await raw_ask(stage, path))["path"] == path.partition("#")[0]


async def test_the_absolute_form_is_made_plain(stage: Stage) -> None:
    await stage.show(echo)
    assert (await raw_ask(stage, f"http://{HOST}/x%2F?q"))["path"] == "/x%2F?q"


async def test_the_absolute_form_decides_over_host(stage: Stage) -> None:
    """RFC 9112 3.2.2: otherwise we and the instance would disagree whom a request is for."""
    await stage.show(echo)
    got = await stage.raw(f"GET http://{HOST}/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())
    assert fields(json.loads(got.partition(b"\r\n\r\n")[2]), "host") == [HOST]


async def test_host_stays_what_the_client_wrote(stage: Stage) -> None:
    await stage.show(echo)
    told = await ask(stage, Host=f"{HOST}:8000")
    assert fields(told, "host") == [f"{HOST}:8000"]
    assert fields(told, "x-forwarded-host") == [f"{HOST}:8000"]
    assert fields(told, "x-forwarded-proto") == ["http"]
    assert fields(told, "x-forwarded-for") == ["127.0.0.1"]


async def test_a_proxy_of_our_own_in_front_is_believed(stage: Stage) -> None:
    await stage.show(echo)
    told = await ask(stage, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https", X_Forwarded_Host="shop.example")
    assert fields(told, "x-forwarded-for") == ["203.0.113.9, 127.0.0.1"]
    assert fields(told, "x-forwarded-proto") == ["https"]
    assert fields(told, "x-forwarded-host") == ["shop.example"]


async def test_nothing_is_added_that_the_client_did_not_send(stage: Stage) -> None:
    await stage.show(echo)
    told = await raw_ask(stage, "/")
    names = {key.lower() for key, _ in told["headers"]}  # type: ignore[attr-defined]
    assert names == {"host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}


async def test_hop_by_hop_fields_end_here(stage: Stage) -> None:
    await stage.show(echo)
    extra = "Connection: close, X-Private, x-forwarded-for\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
    told = await raw_ask(stage, "/", extra + "Proxy-Authorization: x\r\nX-Public: 2\r\n")
    assert fields(told, "x-public") == ["2"]
    assert fields(told, "x-forwarded-for") == ["127.0.0.1"]
    for name in ("x-private", "keep-alive", "te", "proxy-authorization", "connection"):
        assert fields(told, name) == [], name


async def test_hop_by_hop_fields_of_the_answer_end_here(stage: Stage) -> None:
    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="x", headers={"Connection": "close, X-Inner", "X-Inner": "1", "X-Outer": "2"})

    await stage.show(handler)
    async with stage.client.get("/") as answer:
        assert "X-Inner" not in answer.headers
        assert answer.headers["X-Outer"] == "2"


@pytest.mark.parametrize("chunked", [False, True])
async def test_large_bodies_pass_in_both_directions(stage: Stage, chunked: bool) -> None:
    async def mirror(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        async for piece in request.content.iter_any():
            await answer.write(piece)
        return answer

    await stage.show(mirror)
    sent = bytes(range(256)) * (20 * MIB // 256)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(sent), MIB):
            yield sent[start : start + MIB]

    async with stage.client.post("/", data=pieces() if chunked else io.BytesIO(sent)) as answer:
        received = await answer.read()
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()


async def test_a_body_is_not_kept_in_memory_while_nobody_reads_it(stage: Stage) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.Response(text=str(len(await request.read())))

    await stage.show(slow)
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            yield bytes(MIB)
            sent += MIB

    posting = asyncio.create_task(stage.client.post("/", data=pieces()).__aenter__())
    await asked.wait()
    stuck = -1
    while stuck != sent:  # until the sender is made to wait
        stuck = sent
        for _ in range(50):
            await asyncio.sleep(0)
    assert sent < 48 * MIB
    go_on.set()
    answer = await posting
    answer.close()


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None), ("DELETE", None)])
async def test_requests_without_a_body_stay_so(stage: Stage, method: str, length: str | None) -> None:
    await stage.show(echo)
    async with stage.client.request(method, "/") as answer:
        told = await answer.json()
    assert told["length"] == 0
    assert fields(told, "transfer-encoding") == []
    assert fields(told, "content-length") in ([], ["0"])


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_that_have_no_body_get_none(stage: Stage, status: int) -> None:
    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"ETag": '"1"'})

    await stage.show(handler)
    async with stage.client.get("/") as first, stage.client.get("/") as second:
        assert (first.status, second.status) == (status, status)
        assert await first.read() == b""
        assert first.headers["ETag"] == '"1"'


async def test_head_has_the_length_and_no_body(stage: Stage) -> None:
    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    await stage.show(handler)
    got = await stage.raw(f"HEAD / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"content-length: 5" in head.lower()
    assert body == b""


async def test_the_length_is_kept_and_chunks_stay_chunks(stage: Stage) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/known":
            return web.Response(text="hello")
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"hello")
        return answer

    await stage.show(handler)
    async with stage.client.get("/known") as known, stage.client.get("/unknown") as unknown:
        assert known.headers["Content-Length"] == "5"
        assert unknown.headers["Transfer-Encoding"] == "chunked"
        assert await known.text() == await unknown.text() == "hello"


async def test_http_1_0_gets_an_answer_it_understands(stage: Stage) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"hello")
        return answer

    await stage.show(handler)
    got = await stage.raw(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == b"hello"


async def test_compressed_content_passes_untouched_both_ways(stage: Stage) -> None:
    packed = gzip.compress(b"hello" * 1000)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        return web.Response(
            body=packed, headers={"Content-Encoding": "gzip", "X-Same": str(body == packed), "X-Length": str(len(body))}
        )

    await stage.show(handler, auto_decompress=False)
    async with stage.client.post("/", data=packed, headers={"Content-Encoding": "gzip"}) as answer:
        assert await answer.read() == packed
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["X-Same"] == "True"


async def test_every_cookie_arrives(stage: Stage) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.Response(text=request.headers.get("Cookie", "none"))
        answer.headers.add("Set-Cookie", "a=1; Path=/")
        answer.headers.add("Set-Cookie", "b=2; HttpOnly")
        return answer

    await stage.show(handler)
    async with stage.client.get("/", headers={"Cookie": 'x="1"; y=2'}) as answer:
        assert answer.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2; HttpOnly"]
        assert await answer.text() == 'x="1"; y=2'
    assert (await stage.get("/"))[1] == "none"


async def test_redirects_are_the_clients_to_follow(stage: Stage) -> None:
    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    await stage.show(handler)
    async with stage.client.get("/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")


async def test_no_content_type_is_made_up(stage: Stage) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Fine\r\nX-Raw: caf\xe9\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    async with stage.client.get("/") as answer:
        assert (answer.status, answer.reason, await answer.text()) == (200, "Fine", "hi")
        assert "Content-Type" not in answer.headers


async def test_an_answer_that_ends_with_the_connection_arrives_whole(stage: Stage) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 100_000)
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    assert await stage.get("/") == (200, "x" * 100_000)


async def test_server_sent_events_arrive_one_by_one(stage: Stage) -> None:
    more = asyncio.Event()

    async def events(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number in range(3):
            await answer.write(f"data: {number}\n\n".encode())
            await more.wait()
            more.clear()
        return answer

    await stage.show(events)
    async with stage.client.get("/") as answer:
        for number in range(3):
            assert await answer.content.readany() == f"data: {number}\n\n".encode()
            more.set()
        assert await answer.content.readany() == b""


async def test_the_head_arrives_before_the_first_byte_of_the_body(stage: Stage) -> None:
    more = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await more.wait()
        return answer

    await stage.show(handler)
    async with stage.client.get("/") as answer:
        assert answer.status == 200
        more.set()


async def test_a_client_that_asks_first_is_told_to_go_on(stage: Stage) -> None:
    await stage.show(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")
    told = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    assert told["length"] == 5
    assert fields(told, "expect") == []
    writer.close()


@pytest.mark.parametrize(
    "smuggled",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ],
)
async def test_requests_with_two_lengths_are_refused(stage: Stage, smuggled: str) -> None:
    asked = 0

    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(text="x")

    await stage.show(handler)
    got = await stage.raw(f"POST / HTTP/1.1\r\nHost: {HOST}\r\n{smuggled}".encode())
    assert got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert asked == 0


async def test_a_request_hidden_in_a_body_stays_a_body(stage: Stage) -> None:
    await stage.show(echo)
    hidden = f"GET /hidden HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    for upgrade in ("", *(f"Connection: Upgrade\r\nUpgrade: {name}\r\n" for name in ("websocket", "h2c"))):
        head = f"GET /seen HTTP/1.1\r\nHost: {HOST}\r\n{upgrade}Content-Length: {len(hidden)}\r\n"
        tail = f"GET /last HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
        got = await stage.raw((head + "\r\n" + hidden + tail).encode())
        assert b"/seen" in got
        assert b"/hidden" not in got, upgrade


async def test_an_unreachable_instance_gives_a_page_and_is_woken(stage: Stage) -> None:
    target = Target("instance", "d1", host="127.0.0.1", port=await gone_port())
    await stage.proxy.point(HOST, target)
    async with stage.client.get("/") as answer:
        assert answer.status == 502
        assert answer.headers["Retry-After"] == "1"
        assert "does not answer" in await answer.text()
    await stage.get("/")
    assert stage.woken == [(HOST, target)]


async def test_an_instance_that_speaks_no_http_gives_a_page(stage: Stage) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    assert (await stage.get("/"))[0] == 502


def hangs_up_on_the_second(asked: list[bytes]) -> object:
    """An instance that answers the first request of a connection and hangs up on the next one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
        writer.close()

    return talk


async def test_a_dead_kept_connection_is_not_the_clients_problem(stage: Stage) -> None:
    asked: list[bytes] = []
    await stage.proxy.point(HOST, await stage.wire(hangs_up_on_the_second(asked)))  # type: ignore[arg-type]
    assert await stage.get("/") == (200, "ok")
    assert await stage.get("/") == (200, "ok")
    assert asked == [b"GET", b"GET", b"GET"]


async def test_what_may_have_been_done_is_not_done_twice(stage: Stage) -> None:
    asked: list[bytes] = []
    await stage.proxy.point(HOST, await stage.wire(hangs_up_on_the_second(asked)))  # type: ignore[arg-type]
    assert await stage.get("/") == (200, "ok")
    async with stage.client.post("/", data=b"x") as answer:
        assert answer.status == 502
    assert asked == [b"GET", b"POST"]


async def test_a_new_connection_that_dies_is_not_tried_again(stage: Stage) -> None:
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    assert (await stage.get("/"))[0] == 502
    assert asked == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"])
async def test_half_an_answer_is_not_taken_for_a_whole_one(stage: Stage, framing: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"hello")
        await writer.drain()
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    with pytest.raises(aiohttp.ClientError):
        await stage.get("/")


async def test_an_early_refusal_reaches_a_client_that_still_sends(stage: Stage) -> None:
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=413, text="too much")

    await stage.show(refuse, lingering_time=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000000\r\n\r\n".encode() + bytes(1000))
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_client_that_leaves_frees_a_silent_instance(stage: Stage) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        left.set()
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    _reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    await asked.wait()
    assert not await stage.proxy.drained("d1", 0)
    writer.close()
    await asyncio.wait_for(left.wait(), 5)
    assert await stage.proxy.drained("d1", 5)
    assert stage.woken == []


async def test_a_broken_body_is_the_clients_fault(stage: Stage) -> None:
    await stage.show(echo)
    got = await stage.raw(
        f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "5\r\nhello\r\nnonsense\r\n\r\n".encode()
    )
    assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert stage.woken == []


async def test_every_answer_names_its_deployment_and_keeps_robots_away(stage: Stage) -> None:
    target = await stage.show(echo)
    async with stage.client.get("/") as answer:
        assert answer.headers["X-Slipway-Deployment"] == "d1"
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    open_to_robots = Target("instance", "d2", host=target.host, port=target.port, robots=True)
    await stage.proxy.point(HOST, open_to_robots)
    async with stage.client.get("/") as answer:
        assert "X-Robots-Tag" not in answer.headers
