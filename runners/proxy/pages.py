"""Pages of our own: what is shown while, or because, there is no application to show."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import re
import secrets
from pathlib import Path
from typing import Literal

import jinja2
from aiohttp import hdrs, web

from runners.base import Target
from runners.proxy import headers

STATUS_PATH = "/__slipway__/status"  # answered on every preview host; applications can't have it
LOG_BYTES = 16 * 1024  # of the log's end

Tone = Literal["working", "ended", "failed"]


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """What a state means for the one who looks."""

    status: int
    tone: Tone
    heading: str
    advice: str


_SWAP = "This page turns into the app by itself."
_REMOVED = "Nothing is left of it. Reopen the pull request or push a commit to get a new preview."
_STATES = {
    "queued": Words(503, "working", "Waiting for its turn", _SWAP),
    "fetching": Words(503, "working", "Fetching the code", _SWAP),
    "building": Words(503, "working", "Building", _SWAP),
    "starting": Words(503, "working", "Starting", _SWAP),
    "asleep": Words(503, "working", "Waking up", "Nobody looked for a while, so it slept. " + _SWAP),
    "replaced": Words(503, "working", "Waking up", "A newer commit took its place; this one still answers. " + _SWAP),
    "failed": Words(502, "failed", "This preview failed", "The end of the log says why. Push a fix to try again."),
    "cancelled": Words(410, "ended", "A newer commit took its place", "Open the pull request for the latest preview."),
    "closed": Words(410, "ended", "This preview is closed", _REMOVED),
    "removed": Words(410, "ended", "This preview is gone", _REMOVED),
    "unpaid": Words(402, "ended", "Asleep: its budget is used up", "It wakes on a request once there is money again."),
    "frozen": Words(403, "ended", "Asleep: its author is frozen", "It wakes on a request once that is lifted."),
    "refused": Words(403, "ended", "Not previewed", "The pull request's check says why, and what can be done."),
}
_UNKNOWN = Words(503, "working", "Getting ready", _SWAP)
_LIVE = Words(200, "ended", "Live", "")
_NO_PREVIEW = Words(404, "ended", "No preview here", "It may have been removed, or the address has a slip in it.")
_NO_ANSWER = Words(
    502,
    "failed",
    "The preview does not answer",
    "It may have stopped. We are waking it; this page tries again by itself.",
)
_NO_FILE = Words(404, "ended", "No such page", "The preview is up, but it has nothing at this address.")
_BAD_REQUEST = Words(400, "ended", "That request is broken", "Its body does not follow HTTP.")

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


async def status(host: str, target: Target | None) -> web.Response:
    """Where the hostname stands, for the page's own script and for programs."""
    words = _NO_PREVIEW if target is None else _words(target)
    code = 404 if target is None else 200
    return _json(await _report(target, words), code, target)


async def state(request: web.Request, host: str, target: Target) -> web.Response:
    """The page of a target that is not live."""
    return await _page(request, host, target, _words(target))


async def no_preview(request: web.Request, host: str) -> web.Response:
    return await _page(request, host, None, _NO_PREVIEW)


async def no_answer(request: web.Request, host: str, target: Target) -> web.Response:
    return await _page(request, host, target, _NO_ANSWER, again=True)


async def no_file(request: web.Request, host: str, target: Target) -> web.Response:
    return await _page(request, host, target, _NO_FILE)


async def bad_request(request: web.Request, host: str, target: Target) -> web.Response:
    return await _page(request, host, target, _BAD_REQUEST)


def tail(path: str) -> str:
    """The end of a log as plain text; empty when there is none.  Reads the disk."""
    try:
        with Path(path).open("rb") as log:
            start = max(0, log.seek(0, 2) - LOG_BYTES)
            log.seek(start)
            raw = log.read(LOG_BYTES)
    except OSError:
        return ""
    if start:
        raw = raw.partition(b"\n")[2] or raw
    lines = _ANSI.sub("", raw.decode("utf-8", "replace")).replace("\r\n", "\n").split("\n")
    # A progress bar draws over its line; only the last drawing counts.
    return _UNSEEN.sub("", "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)).strip("\n")


async def _page(
    request: web.Request, host: str, target: Target | None, words: Words, *, again: bool = False
) -> web.Response:
    report = await _report(target, words)
    if _wants_json(request):
        return _finish(_json(report, words.status, target), words)
    nonce = secrets.token_urlsafe(12)
    html = _template().render(
        report, host=host, words=words, title=target.title if target else "", again=again, nonce=nonce, path=STATUS_PATH
    )
    body = html.encode("utf-8", "replace")  # names from outside may carry what was no text to begin with
    fields = _fields(target) | {hdrs.CONTENT_TYPE: "text/html; charset=utf-8"}
    answer = web.Response(status=words.status, body=body, headers=fields)
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
    return _finish(answer, words)


async def _report(target: Target | None, words: Words) -> dict[str, object]:
    live = target is not None and target.kind != "page" and not target.asleep
    log = await asyncio.to_thread(tail, target.log) if target and target.log and not live else ""
    return {
        "state": "live" if live else _state_of(target) if target else "unknown",
        "deployment": target.deployment if target else "",
        "lines": list(target.lines) if target else [],
        "log": log,
        "live": live,
        "working": words.tone == "working",
        "heading": words.heading,
    }


def _state_of(target: Target) -> str:
    return "asleep" if target.asleep else target.state


def _words(target: Target) -> Words:
    if target.kind != "page" and not target.asleep:
        return _LIVE
    return _STATES.get(_state_of(target), _UNKNOWN)


def _json(report: dict[str, object], code: int, target: Target | None) -> web.Response:
    return web.Response(status=code, text=json.dumps(report), content_type="application/json", headers=_fields(target))


def _fields(target: Target | None) -> dict[str, str]:
    said = {"X-Robots-Tag": "noindex, nofollow"} | (dict(headers.marks(target)) if target else {})
    return said | {
        hdrs.CACHE_CONTROL: "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        hdrs.VARY: hdrs.ACCEPT,
    }


def _finish(answer: web.Response, words: Words) -> web.Response:
    if words.status == 503 or words is _NO_ANSWER:
        answer.headers[hdrs.RETRY_AFTER] = "1"
    return answer


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get(hdrs.ACCEPT, "")
    return "application/json" in accept and "text/html" not in accept


@functools.cache
def _template() -> jinja2.Template:
    folder = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    return jinja2.Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(
        "page.html"
    )
