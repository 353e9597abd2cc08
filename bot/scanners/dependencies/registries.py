"""Asking the registries whether a name exists, and since when.

Names are the pull request's: they are asked for and never followed anywhere else.  No answer is never "does not
exist"."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx

from bot.scanners.dependencies import answers
from bot.scanners.dependencies.answers import Page
from bot.scanners.dependencies.dependency import Ecosystem
from bot.scanners.dependencies.indexes import Indexes
from bot.scanners.dependencies.parts import Broken
from bot.scanners.dependencies.versions import canonical

LARGEST = 48 * 1024 * 1024  # bytes of an answer: npm's longest documents have tens of millions
SECONDS = 20.0  # for one answer, all of it
AT_ONCE = 8
REDIRECTS = 3
FRESH = 600.0  # seconds that "does not exist" is believed, and that a version not seen stays not seen
KEPT = 5000  # names
SIMPLE = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class Unanswered(Exception):
    """A registry did not say."""


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How a name, or a version of it, stands in its registry."""

    exists: bool
    published: float | None = None  # the version, or where none was asked for the first; None: nobody says


class Registries:
    """One for the process: what it has learned is kept.  A client that is passed in is not closed."""

    def __init__(
        self,
        indexes: Indexes | None = None,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        seconds: float = SECONDS,
    ) -> None:
        self.indexes = indexes or Indexes.here()
        self._clock, self._seconds, self._owned = clock, seconds, http is None
        self._http = http
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[tuple[Ecosystem, str], tuple[float, Page]] = OrderedDict()
        self._asking: dict[tuple[Ecosystem, str], asyncio.Lock] = {}

    async def close(self) -> None:
        if self._owned and self._http is not None:
            await self._http.aclose()

    async def standing(self, ecosystem: Ecosystem, name: str, version: str | None = None) -> Standing:
        """Raises Unanswered, with words that name the registry's host at most."""
        wanted = canonical(ecosystem, version) if version is not None else None
        async with self._alone((ecosystem, name)):
            page = self._known(ecosystem, name, wanted)
            if page is None:
                page = await self._ask(ecosystem, name)
                self._kept[ecosystem, name] = (self._clock(), page)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return Standing(page.exists, page.first if wanted is None else page.times.get(wanted))

    @contextlib.asynccontextmanager
    async def _alone(self, key: tuple[Ecosystem, str]) -> AsyncIterator[None]:
        """However many want to know of a name, it is asked for once."""
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._asking.get(key) is lock:
                del self._asking[key]

    def _known(self, ecosystem: Ecosystem, name: str, wanted: str | None) -> Page | None:
        kept = self._kept.get((ecosystem, name))
        if kept is None:
            return None
        self._kept.move_to_end((ecosystem, name))
        asked, page = kept
        lasting = page.exists and (page.first is not None if wanted is None else wanted in page.times)
        return page if lasting or self._clock() - asked < FRESH else None

    async def _ask(self, ecosystem: Ecosystem, name: str) -> Page:
        if ecosystem == "npm":
            escaped = quote(name, safe="@")
            return await self._page(self.indexes.npm, f"{self.indexes.npm}/{escaped}", ecosystem, name)
        for index in self.indexes.pip:
            page = await self._page(index, f"{index}/{quote(name, safe='')}/", ecosystem, name)
            if page.exists:
                return page
        return Page(False)

    async def _page(self, index: str, url: str, ecosystem: Ecosystem, name: str) -> Page:
        if url.startswith("file:"):
            folder = Path(unquote(urlsplit(url).path))
            return Page(await asyncio.to_thread(folder.is_dir), dated=False)
        shown = urlsplit(index).hostname or "the registry"
        try:
            async with self._slots, asyncio.timeout(self._seconds):
                kind, raw = await self._fetch(url, SIMPLE if ecosystem == "pip" else "application/json")
            if kind is None:
                return Page(False)
            if raw is None:
                return Page(True, dated=False)
            if ecosystem == "npm":
                return await asyncio.to_thread(answers.of_npm, name, raw)
            read = answers.of_simple_json if "json" in kind else answers.of_simple_html
            return await asyncio.to_thread(read, name, raw)
        except TimeoutError as error:
            raise Unanswered(f"{shown} took longer than {self._seconds:g} s") from error
        except Broken as error:
            raise Unanswered(f"an answer of {shown} {error}") from error
        except _Refused as error:
            raise Unanswered(f"{shown} {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise Unanswered(f"{shown} does not answer ({type(error).__name__})") from error

    async def _fetch(self, url: str, accept: str) -> tuple[str | None, bytes | None]:
        """Kind and body.  No kind: there is no such thing; no body: it is too large to look at."""
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=10.0, limits=httpx.Limits(max_connections=AT_ONCE))
        asked = httpx.URL(url)
        login = (unquote(asked.userinfo.decode()).partition(":")) if asked.userinfo else None
        auth = httpx.BasicAuth(login[0], login[2]) if login else None
        asked = asked.copy_with(userinfo=None) if login else asked
        for _ in range(REDIRECTS + 1):
            async with self._http.stream(
                "GET", asked, headers={"accept": accept, "user-agent": "slipway"}, auth=auth, follow_redirects=False
            ) as answer:
                location = answer.headers.get("location")
                if answer.status_code in (404, 410):
                    return None, None
                if answer.status_code == 200:
                    return answer.headers.get("content-type", ""), await _body(answer)
                if answer.status_code not in (301, 302, 303, 307, 308) or not location:
                    raise _Refused(f"answers {answer.status_code}")
                asked = _next(asked, location)
        raise _Refused("redirects in circles")


class _Refused(Exception):
    """An answer that says nothing."""


def _next(asked: httpx.URL, location: str) -> httpx.URL:
    target = asked.join(location)
    same = (target.scheme, target.host, target.port) == (asked.scheme, asked.host, asked.port)
    if not same or target.userinfo:
        raise _Refused("redirects to another host; it is not followed")
    return target


async def _body(answer: httpx.Response) -> bytes | None:
    """All of it, unpacked; None when it is more than we look at."""
    parts, size = [], 0
    async for part in answer.aiter_bytes(65536):
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)
