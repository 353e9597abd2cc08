"""WebSocket passes through as if nothing was in between."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.runners.proxy.stage import HOST, Stage


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=("chat.v2",), max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def test_text_and_binary_come_back(stage: Stage) -> None:
    await stage.show(echo)
    async with stage.client.ws_connect("/") as socket:
        await socket.send_str("grüße")
        assert (await socket.receive()).data == "grüße"
        await socket.send_bytes(b"\x00\xff")
        assert (await socket.receive()).data == b"\x00\xff"


@pytest.mark.parametrize("compress", [0, 15])
async def test_a_message_larger_than_every_buffer_comes_back(stage: Stage, compress: int) -> None:
    await stage.show(echo)
    sent = bytes(range(256)) * 16 * 1024
    async with stage.client.ws_connect("/", max_msg_size=0, compress=compress) as socket:
        await socket.send_bytes(sent)
        assert (await socket.receive()).data == sent


async def test_the_subprotocol_is_agreed_with_the_instance(stage: Stage) -> None:
    await stage.show(echo)
    async with stage.client.ws_connect("/", protocols=("chat.v1", "chat.v2")) as socket:
        assert socket.protocol == "chat.v2"


async def test_pings_reach_the_other_side(stage: Stage) -> None:
    async def pinging(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.ping(b"from instance")
        answer = await socket.receive()
        await socket.send_str(f"{answer.type.name} {answer.data.decode()}")
        return socket

    await stage.show(pinging)
    async with stage.client.ws_connect("/", autoping=False) as socket:
        ping = await socket.receive()
        assert (ping.type, bytes(ping.data)) == (WSMsgType.PING, b"from instance")
        await socket.pong(b"from client")
        assert (await socket.receive()).data == "PONG from client"


async def test_the_instances_close_code_reaches_the_client(stage: Stage) -> None:
    async def closing(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=4001, message=b"enough")
        return socket

    await stage.show(closing)
    async with stage.client.ws_connect("/", autoclose=False) as socket:
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "enough")


async def test_the_clients_close_code_reaches_the_instance(stage: Stage) -> None:
    seen: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def listening(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        seen.set_result(socket.close_code)
        return socket

    await stage.show(listening)
    async with stage.client.ws_connect("/") as socket:
        await socket.close(code=4002)
    assert await seen == 4002


async def test_an_instance_that_refuses_is_quoted(stage: Stage) -> None:
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403, text="members only")

    await stage.show(refuse)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await stage.client.ws_connect("/")
    assert refused.value.status == 403


async def test_an_instance_that_dies_ends_the_socket(stage: Stage) -> None:
    async def dying(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return socket

    await stage.show(dying)
    async with stage.client.ws_connect("/") as socket:
        assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
        assert socket.close_code == 1006


async def test_an_open_socket_counts_as_activity_and_holds_the_drain(stage: Stage) -> None:
    await stage.show(echo)
    async with stage.client.ws_connect("/") as socket:
        await socket.send_str("x")
        await socket.receive()
        assert stage.proxy.activity() == {"d1": 1000.0}
        stage.now = 2000.0
        assert stage.proxy.activity() == {"d1": 2000.0}
        assert not await stage.proxy.drained("d1", 0)
    assert await stage.proxy.drained("d1", 5)


async def test_closing_the_proxy_ends_open_sockets(stage: Stage) -> None:
    await stage.show(echo)
    async with stage.client.ws_connect("/") as socket:
        await socket.send_str("x")
        await socket.receive()
        await stage.proxy.close()
        assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_a_client_that_vanishes_frees_the_instance(stage: Stage) -> None:
    await stage.show(echo)
    socket = await stage.client.ws_connect("/")
    response = socket._response
    assert response.connection is not None
    assert response.connection.transport is not None
    response.connection.transport.abort()
    assert await stage.proxy.drained("d1", 5)


async def test_bytes_sent_before_the_switch_was_told_are_not_lost(stage: Stage) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        writer.write(await reader.readexactly(4))
        writer.close()

    await stage.proxy.point(HOST, await stage.wire(talk))
    head = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    got = await stage.raw(head.encode() + b"soon")
    assert got.startswith(b"HTTP/1.1 101 ")
    assert got.endswith(b"\r\n\r\nearlysoon")


async def test_no_other_protocol_may_be_switched_to(stage: Stage) -> None:
    async def told(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.headers.get("Upgrade", "none"))

    await stage.show(told)
    head = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    assert (await stage.raw(head.encode())).endswith(b"\r\n\r\nnone")


async def test_a_slow_reader_makes_the_sender_wait(stage: Stage) -> None:
    sent = 0

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for _ in range(1024):
            await socket.send_bytes(bytes(64 * 1024))
            sent += 1
        return socket

    await stage.proxy.point(HOST, await stage.instance(flood))
    _reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, limit=1024)
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    writer.write(
        f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    stuck = -1
    while sent == 0 or stuck != sent:
        stuck = sent
        for _ in range(100):
            await asyncio.sleep(0)
    assert sent < 512
    writer.transport.abort()
