"""A switched connection: bytes both ways until one side ends, so that everything WebSocket has passes untouched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

BUFFER_BYTES = 64 * 1024  # held per direction before the faster side has to wait


class _Inlet:
    """What an aiohttp connection feeds after a switch, in place of its parser."""

    def __init__(self, protocol: BaseProtocol) -> None:
        loop = asyncio.get_running_loop()
        self.stream = aiohttp.StreamReader(protocol, BUFFER_BYTES, loop=loop)

    def feed_data(self, chunk: bytes) -> tuple[bool, bytes]:
        if chunk:
            self.stream.feed_data(chunk)
        return False, b""

    def feed_eof(self) -> None:
        self.stream.feed_eof()


async def join(
    request: web.Request,
    received: aiohttp.ClientResponse,
    fields: CIMultiDict[str],
    sent: Callable[[int], None],
) -> web.StreamResponse:
    """Answer 101 and carry bytes until either side ends; `sent` is told of those that go to the client."""
    switched = web.StreamResponse(status=101, reason=received.reason, headers=fields)
    switched.force_close()
    near, far = request.protocol, cast(aiohttp.connector.Connection, received.connection).protocol
    try:
        await switched.prepare(request)
    except ConnectionError:
        return switched
    if far is None:  # the instance hung up while the client was told
        return switched
    from_client, from_instance = _Inlet(near), _Inlet(far)
    near.set_parser(cast(Any, from_client))
    far.set_parser(from_instance, from_instance.stream)
    await _either(_carry(from_client, far, _uncounted), _carry(from_instance, near, sent))
    return switched


def _uncounted(_number: int) -> None:
    """What clients send costs nobody."""


async def _carry(inlet: _Inlet, sink: BaseProtocol, carried: Callable[[int], None]) -> None:
    writer = StreamWriter(sink, asyncio.get_running_loop())
    try:
        while chunk := await inlet.stream.readany():
            carried(len(chunk))
            await writer.write(chunk)
    except (OSError, aiohttp.ClientError):
        return


async def _either(*ways: Any) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
