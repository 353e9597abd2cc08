"""Answers: one thing, a page of many, not modified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from demo.github.rest.ask import Ask

T = TypeVar("T")
PAGE = 30
LARGEST = 100


def one(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)


def nothing() -> web.Response:
    return web.Response(status=204)


def _whole(text: str, default: int, most: int) -> int:
    return min(max(int(text), 1), most) if text.isascii() and text.isdigit() and len(text) < 10 else default


def page_size(ask: Ask) -> int:
    return _whole(ask.query("per_page"), PAGE, LARGEST)


def many(ask: Ask, rows: Sequence[T], shape: Callable[[T], Any], wrap: str | None = None) -> web.Response:
    """The page that was asked for, with Link to its neighbours.  `wrap`: under that key, beside total_count."""
    size = page_size(ask)
    last = max(1, -(-len(rows) // size))
    page = _whole(ask.query("page"), 1, 1_000_000)
    cut = [shape(row) for row in rows[(page - 1) * size : page * size]]
    response = one(cut if wrap is None else {"total_count": len(rows), wrap: cut})
    turns = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    told = [name for name in turns if (page > 1 if name in ("prev", "first") else page < last)]
    if told:
        response.headers["Link"] = ", ".join(link(ask, name, page=str(turns[name])) for name in told)
    return response


def link(ask: Ask, rel: str, **change: str) -> str:
    query = urlencode({**ask.request.query, **change})
    return f'<{ask.request.url.origin()}{ask.request.rel_url.raw_path}?{query}>; rel="{rel}"'


def conditional(request: web.Request, response: web.Response) -> web.Response:
    """Stamp a GET's answer with its ETag, or say that the caller has it already."""
    if request.method not in ("GET", "HEAD") or response.status != 200 or not isinstance(response.body, bytes):
        return response
    digest = hashlib.sha256(response.body + request.headers.get("Accept", "").encode()).hexdigest()
    tag = f'W/"{digest}"'
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
    return response


def called(response: web.Response) -> Any:
    """The JSON in a response, or None."""
    if isinstance(response.body, bytes) and response.content_type == "application/json":
        return json.loads(response.body)
    return None
