"""The built-in router: preview hostnames, answered inside the service's own HTTP server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from runners.base import Target, Traffic
from runners.proxy import mounts, pages, static
from runners.proxy.pages import STATUS_PATH
from runners.proxy.traffic import Exchange, Exchanges
from runners.proxy.upstream import BadRequest, NoAnswer, Upstream

__all__ = ["SERVER_OPTIONS", "STATUS_PATH", "Proxy"]

log = logging.getLogger(__name__)

HOLD_SECONDS = 20.0  # a request waits this long for a sleeper; browsers and most clients wait longer
# What the server in front (aiohttp's AppRunner) must be told: bodies pass as they came, long cookies are let in.
SERVER_OPTIONS: Mapping[str, Any] = {"auto_decompress": False, "max_line_size": 64 * 1024, "max_field_size": 64 * 1024}

Wake = Callable[[str, Target], Awaitable[None]]


class Proxy:
    """A table of hostnames in memory.  Everything runs on one event loop.

    `wake` is called once for a hostname whose target sleeps or does not answer, and again only when the table has
    changed, it failed, or `hold` seconds went by; it need not wait until the target is up.
    """

    def __init__(
        self, domain: str, *, wake: Wake, clock: Callable[[], float] = time.time, hold: float = HOLD_SECONDS
    ) -> None:
        self._suffix = "." + domain.lower().strip(".")
        self._wake = wake
        self._hold = hold
        self._targets: dict[str, Target] = {}
        self._changed: dict[str, asyncio.Future[bool]] = {}  # host -> True: the table changed; False: wake failed
        self._waking: dict[str, float] = {}  # host -> when, on the loop's clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._exchanges = Exchanges(clock)
        self._upstream = Upstream()

    def serves(self, host: str) -> bool:
        """Whether requests of that Host (without port) are ours, known or not."""
        host = _plain(host)
        return host in self._targets or host.endswith(self._suffix)

    async def point(self, host: str, target: Target) -> None:
        """The only switch: requests that begin after it returns reach `target`; older ones end where they are."""
        host = _plain(host)
        before, self._targets[host] = self._targets.get(host), target
        sleeps_on = before and before.asleep and target.asleep and before.deployment == target.deployment
        if not sleeps_on:  # else a table told twice would wake it twice
            self._release(host, True)

    async def drop(self, host: str) -> None:
        """The hostname leads nowhere from now on."""
        host = _plain(host)
        self._targets.pop(host, None)
        self._release(host, True)

    async def drained(self, deployment: str, seconds: float) -> bool:
        """Wait until no request to that deployment is under way; False when time ran out."""
        return await self._exchanges.drained(deployment, seconds)

    def activity(self) -> dict[str, float]:
        """When each deployment last served a request since the previous call, on the clock given."""
        return self._exchanges.activity()

    def traffic(self) -> dict[str, Traffic]:
        """What was counted since the previous call, by deployment; for one reader, who adds it up."""
        return self._exchanges.traffic()

    async def close(self) -> None:
        """Hang up on every instance and stop waiting for sleepers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for host in list(self._changed):
            self._release(host, False)
        await self._upstream.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for one of our hostnames."""
        answer = await self._answer(request)
        if hdrs.UPGRADE in request.headers:  # the parser may have stopped reading requests on this connection
            answer.force_close()
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        host = _plain(_without_port(request.host))
        target = self._targets.get(host)
        if request.path == STATUS_PATH:
            return await pages.status(host, target)
        if target is not None and target.asleep:
            target = await self._awake(host, target)
        if target is None:
            return await pages.no_preview(request, host)
        if target.kind == "page" or target.asleep:
            return await pages.state(request, host, target)
        # No await between reading the table and counting: a drained deployment gets nothing more.
        with self._exchanges.exchange(target.deployment) as exchange:
            return await self._serve(request, host, target, exchange)

    async def _serve(self, request: web.Request, host: str, target: Target, exchange: Exchange) -> web.StreamResponse:
        passed: mounts.Way | None = None
        part = target
        if target.kind == "several":
            passed = mounts.way(target, request.raw_path)
            if passed is None:
                return await pages.no_file(request, host, target)
            part = passed.target
        if part.kind == "static":
            return await _file(request, host, part, exchange, passed)
        try:
            return await self._upstream.forward(request, part, exchange, passed)
        except BadRequest:
            return await pages.bad_request(request, host, target)
        except NoAnswer as error:
            log.warning("%s (deployment %s) does not answer: %s", host, target.deployment, error)
            exchange.failed()
            self._rouse(host, target)
            return await pages.no_answer(request, host, target)

    async def _awake(self, host: str, target: Target) -> Target | None:
        """The host's target once it is no longer asleep, or as it is when the wait was in vain."""
        found: Target | None = target
        loop = asyncio.get_running_loop()
        end = loop.time() + self._hold
        while found is not None and found.asleep:
            self._rouse(host, found)
            changed = self._changed.setdefault(host, loop.create_future())
            await asyncio.wait([changed], timeout=end - loop.time())
            if not changed.done() or not changed.result():
                return found
            found = self._targets.get(host)
        return found

    def _rouse(self, host: str, target: Target) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._waking.get(host, float("-inf")) < self._hold:
            return
        self._waking[host] = now
        task = asyncio.create_task(self._call_wake(host, target))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call_wake(self, host: str, target: Target) -> None:
        try:
            await self._wake(host, target)
        except Exception:  # whatever it was, the waiting requests get the page and the next one tries again
            log.exception("%s (deployment %s) can't be woken", host, target.deployment)
            if self._targets.get(host) == target:
                self._release(host, False)

    def _release(self, host: str, changed: bool) -> None:
        self._waking.pop(host, None)
        if waiting := self._changed.pop(host, None):
            waiting.set_result(changed)


async def _file(
    request: web.Request, host: str, target: Target, exchange: Exchange, passed: mounts.Way | None
) -> web.StreamResponse:
    exchange.file()
    answer = await static.serve(request, target, passed)
    if answer is None:
        return await pages.no_file(request, host, target)
    if request.method != hdrs.METH_HEAD and answer.status != 304:
        exchange.sent(answer.content_length or 0)  # of a client that leaves in the middle, too
    return answer


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host
