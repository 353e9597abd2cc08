"""Requests to instances: streamed both ways, and changed as little as HTTP allows."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from runners.base import Target
from runners.proxy import headers, tunnel
from runners.proxy.mounts import Way, origin, returned
from runners.proxy.traffic import Exchange

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

CONNECT_SECONDS = 5.0
# Common servers drop an idle connection after 2 s (gunicorn) or 5 s (uvicorn, Node): be first, so that no request
# is written into a connection that is just being closed.
IDLE_SECONDS = 1.5
FIELD_BYTES = 64 * 1024  # the longest header field of an instance that is passed on
LOOK_SECONDS = 1.0  # how soon a client that left is noticed while its instance is silent
CLIENT_LEFT = 499  # nobody reads it; nginx's word in logs

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_reused: ContextVar[bool] = ContextVar("reused", default=False)


class NoAnswer(Exception):
    """The instance can't be reached, or hung up before it answered."""


class BadRequest(Exception):
    """The client's own body is malformed."""


class Upstream:
    """One pool of connections for all instances."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self, request: web.Request, target: Target, exchange: Exchange, passed: Way | None = None
    ) -> web.StreamResponse:
        """Pass the request on and the answer back; returns when all of it is sent.

        `passed`: the path to ask for instead of the request's, of one of several services.
        Raises NoAnswer or BadRequest while nothing has been sent yet."""
        if request.body_exists:
            exchange.sending()
            request.content.on_eof(exchange.asked)
        with _WithClient(request):
            try:
                received = await self._ask(request, target, passed)
            except NoAnswer:
                if _left(request):
                    exchange.left()
                    return web.Response(status=CLIENT_LEFT)
                if request.content.exception() is not None:
                    raise BadRequest from None
                raise
            except asyncio.CancelledError:
                exchange.left()
                raise
            try:
                if received.status == 101:
                    exchange.passes()
                    fields = headers.back(received.headers, target, switching=True)
                    return await tunnel.join(request, received, fields, exchange.sent)
                exchange.head(received.status)
                fields = headers.back(received.headers, target)
                if passed and passed.prefix and hdrs.LOCATION in fields:
                    fields[hdrs.LOCATION] = returned(fields[hdrs.LOCATION], passed, request.host)
                return await _pass_back(request, received, fields, exchange)
            finally:
                received.close()

    async def close(self) -> None:
        """Hang up on every instance."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, request: web.Request, target: Target, passed: Way | None) -> aiohttp.ClientResponse:
        body = request.content if request.body_exists else None
        repeatable = body is None and request.method in _IDEMPOTENT
        address, fields = _address(target, passed.path if passed else request.raw_path), headers.onward(request)
        if passed and passed.prefix:
            fields[headers.PREFIX] = passed.prefix
        while True:
            try:
                return await self._connections().request(
                    request.method, address, headers=fields, data=body, allow_redirects=False
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # A kept connection may be dead without our knowing; then, and only then, nothing was run twice.
                stale = _reused.get() and not isinstance(error, aiohttp.ClientConnectorError)
                if not (stale and repeatable):
                    raise NoAnswer(str(error)) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise NoAnswer(str(error)) from error

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:  # a session belongs to the running loop, so it can't be made earlier
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, keepalive_timeout=IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_AUTOMATIC,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                max_line_size=FIELD_BYTES,
                max_field_size=FIELD_BYTES,
            )
            self._session._retry_connection = False  # it can't tell a reused connection from a new one
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Says whether the connection of this task's request served another one before."""

    def __init__(self, *, limit: int, keepalive_timeout: float) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout)
        self._served: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        _reused.set(False)
        connection = await super().connect(req, traces, timeout)
        if connection.protocol is not None:
            _reused.set(connection.protocol in self._served)
            self._served.add(connection.protocol)
        return connection


class Relayed(web.StreamResponse):
    """An answer of somebody else: nothing is added that describes the content."""

    _send_headers_immediately = False  # with the first bytes of the body, when those are there: one packet for two

    async def _prepare_headers(self) -> None:
        typed = hdrs.CONTENT_TYPE in self.headers
        await super()._prepare_headers()
        if not typed:  # the browser guesses; "application/octet-stream" would make it download
            self.headers.popall(hdrs.CONTENT_TYPE, None)


async def _pass_back(
    request: web.Request, received: aiohttp.ClientResponse, fields: CIMultiDict[str], exchange: Exchange
) -> web.StreamResponse:
    answer = Relayed(status=received.status, reason=received.reason, headers=fields)
    try:
        writer = await answer.prepare(request)
        if writer is not None and not received.content.total_bytes and not received.content.at_eof():
            writer.send_headers()
        while chunk := await _next(request, received):
            exchange.sent(len(chunk))
            await answer.write(chunk)
        await answer.write_eof()
    except ConnectionError:  # the client left; the server notices by itself
        pass
    return answer


async def _next(request: web.Request, received: aiohttp.ClientResponse) -> bytes:
    try:
        return await received.content.readany()
    except (aiohttp.ClientError, OSError):
        # Cut, not ended: the client must not take half an answer for a whole one.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError("the instance hung up in the middle of its answer") from None


def _address(target: Target, raw_path: str) -> URL:
    host = f"[{target.host}]" if ":" in target.host else target.host
    path = origin(raw_path)
    url = URL(f"http://{host}:{target.port}{path}", encoded=True)
    # yarl forgets an empty query; this is where the request line is taken from.
    url._cache["raw_path_qs"] = path
    return url


def _left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


class _WithClient:
    """Cancels the block when the client is gone.  The server does not, and a silent instance (server-sent events)
    would be held, and kept from being drained, for ever."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if _left(self._request) and self._task is not None:
            self._task.cancel()
        else:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
