"""Probes tell an answer from an error, and both from silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from runners.health import Unhealthy, healthy, probe, wait_healthy
from runners.ports import free_port

Answer = Callable[[], bytes]


@contextlib.asynccontextmanager
async def answering(answer: Answer, port: int = 0) -> AsyncIterator[int]:
    """A server that reads one request and answers with these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer())
            await writer.drain()
        writer.close()

    asked.clear()
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


asked: list[bytes] = []


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_a_probe_gives_the_status() -> None:
    async with answering(lambda: b"HTTP/1.1 404 Not Found\r\n\r\n") as port:
        assert await probe("127.0.0.1", port, "/ready?now") == 404

    assert asked[0].startswith(b"GET /ready?now HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_nothing_listening_is_no_status() -> None:
    assert await probe("127.0.0.1", free_port()) is None


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9\r\n", b"", b"HTTP/1.1 \r\n", b"HTTP/1.1 abc\r\n", b"x" * 200_000]
)
async def test_what_speaks_no_http_is_no_status(answer: bytes) -> None:
    async with answering(lambda: answer) as port:
        assert await probe("127.0.0.1", port, timeout=1) is None


async def test_silence_is_given_up_in_time() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        assert await probe("127.0.0.1", server.sockets[0].getsockname()[1], timeout=0.05) is None


@pytest.mark.parametrize(
    ("status", "well"), [(200, True), (302, True), (404, True), (499, True), (500, False), (503, False)]
)
async def test_below_500_is_healthy(status: int, well: bool) -> None:
    async with answering(lambda: b"HTTP/1.1 %d X\r\n\r\n" % status) as port:
        assert await healthy("127.0.0.1", port) is well


async def test_waiting_ends_with_the_first_good_answer() -> None:
    statuses = iter([503, 503, 200])
    async with answering(lambda: b"HTTP/1.1 %d X\r\n\r\n" % next(statuses)) as port:
        seconds = await wait_healthy("127.0.0.1", port, "/", deadline=5, alive=yes, interval=0.001)

    assert 0 < seconds < 5
    assert len(asked) == 3


async def test_waiting_outlasts_the_time_before_it_listens() -> None:
    port = free_port()
    waiting = asyncio.create_task(wait_healthy("127.0.0.1", port, "/", deadline=5, alive=yes, interval=0.001))
    await asyncio.sleep(0)

    async with answering(lambda: b"HTTP/1.0 200 OK\r\n\r\n", port):
        assert await waiting < 5


async def test_errors_until_the_deadline_are_told_apart_from_silence() -> None:
    async with answering(lambda: b"HTTP/1.1 503 X\r\n\r\n") as port:
        with pytest.raises(Unhealthy, match="answered 503") as erring:
            await wait_healthy("127.0.0.1", port, "/", deadline=0.05, alive=yes)
    with pytest.raises(Unhealthy, match="nothing answered HTTP") as silent:
        await wait_healthy("127.0.0.1", free_port(), "/", deadline=0.05, alive=yes)

    assert (erring.value.status, silent.value.status) == (503, None)


async def test_waiting_ends_at_once_when_the_program_has_ended() -> None:
    with pytest.raises(Unhealthy) as ended:
        await wait_healthy("127.0.0.1", free_port(), "/", deadline=60, alive=no)

    assert ended.value.ended
