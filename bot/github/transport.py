"""One wire to GitHub: which host may see a token, what is tried again, when we are told to wait."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import logging
import secrets
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import httpx

from bot.errors import GitHubDown, GitHubRefused, TryLater

log = logging.getLogger(__name__)

API_VERSION = "2022-11-28"  # supported until 24 months after its successor of 2026-03-10
USER_AGENT = "slipway"
AT_ONCE = 10  # requests; GitHub's secondary limit is 100 over all its APIs
TRIES = 3
REDIRECTS = 3
BACKOFF = 0.5  # seconds before the second try, doubled for each further one, with jitter
SHORT_WAIT = 2.0  # seconds: shorter waits are slept through, longer ones go back to the queue
UNSAID_WAIT = 60.0  # seconds, when a limit names no time: the least that GitHub's documentation asks for
SKEW_TOLERATED = 5.0  # seconds: the Date header has whole seconds and was on its way
CACHE_BYTES = 16 * 1024 * 1024

# The request never left this machine, so trying again can't do a thing twice.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Credential(Protocol):
    """In whose name a request is made."""

    @property
    def scope(self) -> Hashable:
        """What a cached answer belongs to: answers are never shared between scopes."""

    @property
    def account(self) -> Hashable:
        """Whose rate limit counts."""

    @property
    def lane(self) -> Hashable | None:
        """Writes of one lane go one at a time (GitHub's advice); None: side by side."""

    @property
    def repeats(self) -> bool:
        """A POST made twice does no harm."""

    async def authorization(self) -> str:
        """The header's value."""

    def reject(self, authorization: str) -> None:
        """GitHub answered 401 to it: the next one must be another."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, before anyone's name is put on it."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body: bytes

    @property
    def where(self) -> str:
        """For messages: no query, which may hold a cursor."""
        return f"{self.method} {self.url.path}"


class Wire:
    """Sends requests.  Shared by all scopes, so that limits count over all of them."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.base_url, self.graphql = base_url, graphql_of(base_url)
        self._http, self._clock, self.sleep = http, clock, sleep
        self._base = httpx.URL(base_url)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._lanes: weakref.WeakValueDictionary[Hashable, asyncio.Lock] = weakref.WeakValueDictionary()
        self._blocked: dict[Hashable, tuple[float, str]] = {}
        self._pages = Pages(CACHE_BYTES)
        self._skew = 0.0

    def now(self) -> float:
        """GitHub's time in Unix seconds: ours, corrected by the Date of its answers."""
        return self._clock() + self._skew

    async def send(self, call: Call, credential: Credential) -> httpx.Response:
        """The answer, below 400.  Raises GitHubRefused, GitHubDown, TryLater."""
        until, reason = self._blocked.get(credential.account, (0.0, ""))
        if until > self._clock():
            raise TryLater(reason, _moment(until))
        async with self._turn(call, credential):
            response = await self._follow(call, credential)
        if response.status_code >= 400:
            raise _refusal(call, response)
        return response

    @asynccontextmanager
    async def _turn(self, call: Call, credential: Credential) -> AsyncIterator[None]:
        if self._reads(call) or credential.lane is None:
            yield
            return
        lock = self._lanes.setdefault(credential.lane, asyncio.Lock())
        async with lock:
            yield

    async def _follow(self, call: Call, credential: Credential) -> httpx.Response:
        if not self._trusts(call.url):  # GitHub's Link headers and templates are absolute
            raise GitHubDown(f"GitHub's answer leads to another host ({call.url.host}); it is not followed.")
        for _ in range(REDIRECTS + 1):
            response = await self._authorized(call, credential)
            location = response.headers.get("location")
            if response.status_code not in (301, 302, 307, 308) or not location:
                return response
            call = self._redirected(call, location)
        raise GitHubDown(f"GitHub redirects {call.where} in circles.")

    def _redirected(self, call: Call, location: str) -> Call:
        """The same request to the new place: GitHub asks for it to be repeated verbatim, whatever the status."""
        try:
            target = call.url.join(location)
        except (httpx.InvalidURL, ValueError) as error:
            raise GitHubDown(f"GitHub redirects {call.where} to an address that is none.") from error
        if target.scheme not in ("http", "https") or (call.method != "GET" and not self._trusts(target)):
            raise GitHubDown(f"GitHub redirects {call.where} to another host ({target.host}); it is not followed.")
        return replace(call, url=target)

    def _reads(self, call: Call) -> bool:
        """It changes nothing: GraphQL is only asked questions."""
        return call.method == "GET" or str(call.url) == self.graphql

    def _trusts(self, url: httpx.URL) -> bool:
        if str(url) == self.graphql:
            return True
        base, root = self._base, self._base.raw_path.rstrip(b"/") + b"/"
        same = (url.scheme, url.host, _port(url)) == (base.scheme, base.host, _port(base))
        return same and not url.userinfo and url.raw_path.startswith(root) and b"/../" not in url.raw_path

    async def _authorized(self, call: Call, credential: Credential) -> httpx.Response:
        if not self._trusts(call.url):
            return await self._persist(call, credential, None)
        authorization = await credential.authorization()
        response = await self._persist(call, credential, authorization)
        if response.status_code == 401:
            credential.reject(authorization)
            response = await self._persist(call, credential, await credential.authorization())
        return response

    async def _persist(self, call: Call, credential: Credential, authorization: str | None) -> httpx.Response:
        repeats = call.method != "POST" or self._reads(call) or credential.repeats
        for attempt in range(1, TRIES + 1):
            try:
                response = await self._once(call, credential, authorization)
            except httpx.RequestError as error:
                if attempt == TRIES or not (repeats or isinstance(error, NEVER_SENT)):
                    raise GitHubDown(f"GitHub does not answer {call.where}: {type(error).__name__}.") from error
                await self.sleep(_backoff(attempt))
                continue
            wait = self._wait_asked(response)
            if wait is not None:
                await self._wait(call, credential, wait, response, last=attempt == TRIES)
            elif response.status_code < 500:
                return response
            elif attempt == TRIES or not repeats:
                raise GitHubDown(f"GitHub answers {call.where} with {response.status_code}.")
            else:
                await self.sleep(_backoff(attempt))
        raise AssertionError("unreachable")

    async def _once(self, call: Call, credential: Credential, authorization: str | None) -> httpx.Response:
        if authorization is None:
            return await self._exchange(call, {})
        key = (credential.scope, str(call.url))
        known = self._pages.get(key) if call.method == "GET" else None
        named = {"authorization": authorization}
        if known is not None:
            named["if-none-match"] = known.headers["etag"]
        response = await self._exchange(call, named)
        self._note_date(response)
        if known is not None and response.status_code == 304:
            return known
        if call.method == "GET" and response.status_code == 200 and "etag" in response.headers:
            self._pages.put(key, response)
        return response

    async def _exchange(self, call: Call, named: Mapping[str, str]) -> httpx.Response:
        headers = {**call.headers, "x-github-api-version": API_VERSION, **named}
        async with self._slots:
            return await self._http.request(
                call.method, call.url, headers=headers, content=call.body, follow_redirects=False
            )

    def _note_date(self, response: httpx.Response) -> None:
        try:
            date = email.utils.parsedate_to_datetime(response.headers["date"]).timestamp()
        except (KeyError, ValueError, OverflowError):
            return
        skew = date - self._clock()
        self._skew = skew if abs(skew) > SKEW_TOLERATED else 0.0

    def _wait_asked(self, response: httpx.Response) -> float | None:
        """Seconds that GitHub wants us to wait, or None when this is no rate limit."""
        if response.status_code not in (403, 429, 503):
            return None
        headers = response.headers
        after = _number(headers.get("retry-after"))
        if after is not None:
            return max(0.0, after)
        reset = _number(headers.get("x-ratelimit-reset"))
        if response.status_code != 503 and headers.get("x-ratelimit-remaining") == "0" and reset is not None:
            return max(1.0, reset - self.now())
        if response.status_code == 429 or "secondary rate limit" in _message(response).lower():
            return UNSAID_WAIT
        return None

    async def _wait(
        self, call: Call, credential: Credential, seconds: float, response: httpx.Response, *, last: bool
    ) -> None:
        """Sleep a short wait through; make a long one the queue's, and hold everyone else of the account too."""
        if seconds <= SHORT_WAIT and not last:
            await self.sleep(seconds)
            return
        until = self._clock() + max(seconds, 1.0)
        reason = f"GitHub asked us to wait {max(seconds, 1.0):.0f} s: {_message(response) or response.status_code}"
        if response.status_code != 503:
            self._blocked[credential.account] = (until, reason)
        log.warning("%s (%s)", reason, call.where)
        raise TryLater(reason, _moment(until))


class Pages:
    """Answers that GitHub may call unchanged (304, free of the rate limit).  The least used go first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._kept: OrderedDict[Hashable, httpx.Response] = OrderedDict()

    def get(self, key: Hashable) -> httpx.Response | None:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, key: Hashable, response: httpx.Response) -> None:
        former = self._kept.pop(key, None)
        self._size += len(response.content) - (len(former.content) if former is not None else 0)
        self._kept[key] = response
        while self._size > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.content)


def graphql_of(base_url: str) -> str:
    """Where GraphQL is asked: below api.github.com, beside the REST API of GitHub Enterprise Server."""
    return f"{base_url.removesuffix('/v3')}/graphql"


def _refusal(call: Call, response: httpx.Response) -> GitHubRefused:
    status, needed = response.status_code, response.headers.get("x-accepted-github-permissions")
    words = f"GitHub refused {call.where}: {status} {_message(response)}".rstrip()
    if status == 403 and needed:
        words += f" (the app needs {needed})"
    return GitHubRefused(words, status)


def _message(response: httpx.Response) -> str:
    """GitHub's own words for an error, at most 500 characters."""
    try:
        said = json.loads(response.content)
        errors = said.get("errors") or []
        parts = [str(said.get("message") or "")]
    except (ValueError, AttributeError):
        return ""
    for error in errors if isinstance(errors, list) else [errors]:
        if isinstance(error, Mapping):
            words = (error.get("field"), error.get("code"), error.get("message"))
            parts.append(" ".join(str(word) for word in words if word))
        else:
            parts.append(str(error))
    return "; ".join(part for part in parts if part)[:500]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _backoff(attempt: int) -> float:
    return BACKOFF * 2.0 ** (attempt - 1) * (0.5 + secrets.randbelow(1000) / 1000)
