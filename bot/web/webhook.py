"""POST /webhook: the signature over the raw bytes, then the delivery into the database, then 202.  Nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import parse_qs

from aiohttp import ClientError, web
from sqlalchemy.exc import SQLAlchemyError

from bot import telemetry
from bot.deliveries import Order, Packed, pack, parse, route
from bot.errors import Misconfigured
from bot.store import Store, deliveries

LIMIT = 25 * 1024 * 1024  # bytes; GitHub sends no larger payload
_SMALL = 64 * 1024  # bytes that are read on the event loop: about a millisecond
_READING = 30.0  # seconds a sender has for its body; GitHub itself gives up after 10
_GUID = re.compile(r"[!-~]{1,255}")
_EVENT = re.compile(r"[!-~]{1,64}")
_OWN = "slipway."  # events of our own clock; nobody else may send them
_log = logging.getLogger(__name__)


class Refused(Exception):
    """A delivery that is not taken, and the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Read:
    guid: str
    event: str
    body: Packed
    order: Order


class Webhook:
    """Takes deliveries."""

    def __init__(self, store: Store, secret: str) -> None:
        if not secret:
            raise Misconfigured("Set GITHUB_WEBHOOK_SECRET to the secret of the app's webhook; it can't be empty.")
        self._store, self._secret = store, secret.encode()
        # A thread of its own for large bodies: builds may keep the common ones busy for minutes.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook")

    async def close(self, _app: web.Application) -> None:
        self._thread.shutdown(wait=False)

    async def receive(self, request: web.Request) -> web.Response:
        """202 when it is in the database, 200 when it was before."""
        began = time.perf_counter()
        try:
            read = await self._read(request.headers, await _body(request))
            new = await self._accept(read)
        except Refused as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        state = "accepted" if new else "seen"
        telemetry.DELIVERIES.labels(read.event, state).inc()
        telemetry.ACCEPTING.observe(time.perf_counter() - began)
        return web.json_response({"delivery": read.guid, "state": state}, status=202 if new else 200)

    async def _read(self, headers: Mapping[str, str], body: bytes) -> _Read:
        if len(body) <= _SMALL:
            return read(headers, body, self._secret)
        return await asyncio.get_running_loop().run_in_executor(self._thread, read, headers, body, self._secret)

    async def _accept(self, read: _Read) -> bool:
        try:
            delivery = await self._store.write(
                deliveries.accept, read.guid, read.event, read.body, read.order, self._store.clock()
            )
        except (SQLAlchemyError, RuntimeError) as error:  # RuntimeError: we are shutting down
            _log.exception("delivery %s can't be kept", read.guid)
            raise Refused(503, "The delivery could not be kept; send it again.") from error
        return delivery is not None


def read(headers: Mapping[str, str], body: bytes, secret: bytes) -> _Read:
    """What a request says, once its signature is good.  Raises Refused."""
    if not signed(body, headers.get("X-Hub-Signature-256", ""), secret):
        raise Refused(401, "X-Hub-Signature-256 is missing or does not fit the body and our secret.")
    guid, event = headers.get("X-GitHub-Delivery", ""), headers.get("X-GitHub-Event", "")
    if not _GUID.fullmatch(guid):
        raise Refused(400, "X-GitHub-Delivery is missing or no identifier.")
    if not _EVENT.fullmatch(event) or event.startswith(_OWN):
        raise Refused(400, "X-GitHub-Event is missing or not an event of GitHub's.")
    try:
        raw = _form_field(body) if _is_form(headers) else body
        payload = parse(raw)
    except ValueError as error:
        raise Refused(400, f"The payload can't be read: {error}"[:200]) from error
    return _Read(guid, event, pack(raw), route(event, payload))


def signed(body: bytes, signature: str, secret: bytes) -> bool:
    """Compares in constant time, as bytes: a text comparison would raise on what is not ASCII."""
    expected = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape"))


async def _body(request: web.Request) -> bytes:
    """The raw body, never more of it than may be."""
    too_large = Refused(413, f"The body is larger than {LIMIT} bytes.")
    if (request.content_length or 0) > LIMIT:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_READING):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LIMIT:
                    raise too_large
    except TimeoutError as error:
        raise Refused(408, "The body took too long.") from error
    except (ClientError, web.HTTPException) as error:
        raise Refused(400, "The body ended before its end.") from error
    return bytes(body)


def _is_form(headers: Mapping[str, str]) -> bool:
    kind = headers.get("Content-Type", "").partition(";")[0]
    return kind.strip().lower() == "application/x-www-form-urlencoded"


def _form_field(body: bytes) -> bytes:
    fields = parse_qs(body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=8)
    if "payload" not in fields:
        raise ValueError("the form has no field named payload")
    return fields["payload"][0].encode()
