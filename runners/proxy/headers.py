"""Which header fields go on, in each direction, and what the proxy says of itself in them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

from runners.base import Target

# RFC 9110 7.6.1, and what old clients still send.  Expect is answered by our own server.
_HOP_BY_HOP = (
    "Connection",
    "Expect",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
)
PREFIX = "X-Forwarded-Prefix"  # what was taken from the path before one of several services sees it
# Where applications look for the client's address; believed only from a proxy of our own in front.
_CLAIMS = ("Forwarded", "X-Real-IP", "X-Forwarded-Port", PREFIX, "X-Forwarded-Server", "X-Forwarded-Ssl")


def wants_websocket(request: web.Request) -> bool:
    """The only protocol that may be switched to; others (h2c) would carry requests past us."""
    return (
        request.method == hdrs.METH_GET
        and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        and "upgrade" in _named(request.headers.getall(hdrs.CONNECTION, ()))
        and not request.body_exists
    )


def onward(request: web.Request) -> CIMultiDict[str]:
    """The client's fields as the instance gets them; Host stays what the client wrote."""
    fields = _end_to_end(request.headers)
    peer = request.remote or ""
    trusted = _is_loopback(peer)
    if not trusted:
        for name in _CLAIMS:
            fields.popall(name, None)
    told_for, told_proto, told_host = (", ".join(fields.popall(name, ())) if trusted else "" for name in _FORWARDED)
    fields[hdrs.HOST] = request.host  # what the client wrote; in the absolute form of a request, that wins
    fields["X-Forwarded-For"] = f"{told_for}, {peer}" if told_for else peer
    fields["X-Forwarded-Proto"] = told_proto if told_proto in ("http", "https") else request.scheme
    fields["X-Forwarded-Host"] = told_host or request.host
    if wants_websocket(request):
        _switch(fields)
    return fields


def back(received: CIMultiDictProxy[str], target: Target, *, switching: bool = False) -> CIMultiDict[str]:
    """The instance's fields as the client gets them."""
    fields = _end_to_end(received)
    fields.update(marks(target))
    if switching:
        _switch(fields)
    return fields


def marks(target: Target) -> Mapping[str, str]:
    """What every answer of a preview says."""
    said = {"X-Slipway-Deployment": target.deployment}
    return said if target.robots else {**said, "X-Robots-Tag": "noindex, nofollow"}


_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")


def _end_to_end(received: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    fields = CIMultiDict(received)
    for name in (*_named(fields.getall(hdrs.CONNECTION, ())), *_HOP_BY_HOP):
        fields.popall(name, None)
    return fields


def _switch(fields: CIMultiDict[str]) -> None:
    fields[hdrs.CONNECTION] = "Upgrade"
    fields[hdrs.UPGRADE] = "websocket"


def _named(values: Iterable[str]) -> set[str]:
    return {token.strip().lower() for value in values for token in value.split(",")}


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
