"""Puts the parts together.  The one file that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from aiohttp import web

import handlers
from bot import errands, telemetry
from bot import web as door
from bot.builds import Builds
from bot.builds.scan import Equipment, Scanning
from bot.deliveries import unpack
from bot.errors import GitHubDown, Misconfigured, TryLater
from bot.github import GitHub
from bot.models import Delivery, Project
from bot.permissions.policies import Policies
from bot.policy.terms import Effective
from bot.previews import Previews
from bot.releases import Releases
from bot.reports import Reports
from bot.reports.gate import Gates
from bot.reports.policy import PolicyCheck
from bot.reports.scan import ScanCheck
from bot.scanners.dependencies import Indexes, Registries
from bot.service import Event, Service
from bot.settings import Settings
from bot.sources import Sources
from bot.store import Store, deliveries, migrate, secrets
from bot.sweeper import Sweeper
from bot.worker import Worker
from runners.base import Limits, Router, Runner, RunnerError, Target, Traffic, Unavailable
from runners.choose import box, choose
from runners.proxy import SERVER_OPTIONS, Proxy

GRACE_SECONDS = 5.0  # for work under way when we are asked to stop; the rest is begun again by the next start
OUTAGE_SECONDS = 3600.0  # a delivery waits that long for a GitHub that is down, and is
AGAIN_SECONDS = 30.0  # tried again that often, after its first tries
_log = logging.getLogger(__name__)


class Elsewhere(Router):
    """The router of a worker whose web process is another: it follows the books, so there is nothing to do but wait."""

    async def point(self, host: str, target: Target) -> None:
        return

    async def drop(self, host: str) -> None:
        return

    async def drained(self, deployment: str, seconds: float) -> bool:
        await asyncio.sleep(min(seconds, 5.0))
        return True

    def traffic(self) -> Mapping[str, Traffic]:
        return {}


async def serve(settings: Settings, *, web: bool, worker: bool) -> None:
    """Run until SIGTERM or SIGINT.  Raises Misconfigured."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings, web=web, worker=worker):
        _log.info("slipway is ready at %s", settings.public_url)
        await stop.wait()


async def equipment(settings: Settings) -> Equipment:
    """What changes are scanned with here."""
    folder = settings.home.absolute() / "scan"
    place = await box(settings.runner, settings.home.absolute(), images=settings.images)
    return Equipment(place, folder, Registries(Indexes.here(os.environ)))


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    web: bool = True,
    worker: bool = True,
    clock: Callable[[], float] = time.time,
    equipment: Callable[[Settings], Awaitable[Equipment | None]] = equipment,
) -> AsyncIterator[Service | None]:
    """The whole service, between start and orderly end; gives the Service when there is a worker.

    `equipment`: what changes are scanned with; None where they are not."""
    settings.require_github()
    settings.home.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(migrate, settings.database)
    store = Store.open(settings.database, clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(store.close)
        proxy = Proxy(settings.preview_domain, wake=_wake(store, clock), clock=clock) if web else None
        service = None
        if worker:
            await _hide(store, settings)
            runner = await _runner(settings)
            stack.push_async_callback(runner.close)
            github = await stack.enter_async_context(GitHub(settings, clock=clock))
            sources = Sources(settings.home.absolute(), settings.github_server_url, clock)
            stack.push_async_callback(sources.close)
            scanning = await equipment(settings)
            if scanning is not None:
                stack.push_async_callback(scanning.close)
        tasks = await stack.enter_async_context(_tasks())  # they end before what they use is closed
        if worker:
            parts = Parts(settings, store, github, sources, runner, proxy or Elsewhere(), clock)
            if scanning is not None:
                tasks(scanning.warm())
            service = _work(parts, scanning, stack, tasks)
        if proxy is not None:
            asked = [*([runner.ready] if worker else []), *([scanning.ready] if worker and scanning else [])]
            await _open(settings, store, proxy, asked, stack, tasks)
        yield service


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What the work is put together from."""

    settings: Settings
    store: Store
    github: GitHub
    sources: Sources
    runner: Runner
    router: Router
    clock: Callable[[], float]


def _work(
    parts: Parts,
    equipment: Equipment | None,
    stack: contextlib.AsyncExitStack,
    tasks: Callable[[Coroutine[Any, Any, None]], None],
) -> Service:
    settings, store, github, sources = parts.settings, parts.store, parts.github, parts.sources
    runner, router, clock = parts.runner, parts.router, parts.clock
    limits = Limits(memory=settings.build_memory_mb * 1024 * 1024, cpus=settings.cpus, seconds=settings.build_seconds)
    builds = Builds(store, runner, limits, clock)
    policies = Policies(settings, store, github, clock)
    stack.push_async_callback(policies.close)
    terms = _terms(policies)
    scans = equipment is not None
    previews = Previews(settings, store, github, sources, runner, router, builds, clock, terms, scans=scans)
    releases = Releases(settings, store, github, sources, runner, router, clock, policies=policies, scans=scans)
    check = PolicyCheck(store, github, policies, clock)
    gates = Gates(store, github, policies, clock, settings.github_webhook_secret, scans=scans)
    scanner = Scanning(store, sources, equipment, clock) if equipment is not None else None
    scan = ScanCheck(store, github, policies, scanner, clock)
    service = Service(store, github, sources, previews, releases, policies, check, gates, scan, clock)
    reports = Reports(settings, store, github, lambda: runner.isolates, clock, previews.money.account)
    sweeper = Sweeper(settings, service, runner, clock)
    worker = Worker(store, _dispatch(service), heavy=settings.builds_at_once, clock=clock, prepare=sweeper.clear)
    tasks(worker.run())
    tasks(reports.run())
    tasks(sweeper.run())
    stack.push_async_callback(worker.stop, GRACE_SECONDS)
    return service


def _terms(policies: Policies) -> Callable[[Project], Awaitable[Effective]]:
    async def terms(project: Project) -> Effective:
        return (await policies.held(project)).effective

    return terms


def _dispatch(service: Service) -> Callable[[Delivery], Awaitable[None]]:
    async def dispatch(delivery: Delivery) -> None:
        event = Event(delivery.event, delivery.action, unpack(delivery.body), delivery.guid, delivery.received_at)
        try:
            await handlers.handle(event, service)
        except TryLater:
            raise
        except Exception as error:  # whatever it was: after the last try its check has to end, its command too
            last = delivery.failures >= len(deliveries.RETRIES)
            if last and isinstance(error, GitHubDown) and service.clock() < delivery.received_at + OUTAGE_SECONDS:
                until = dt.datetime.fromtimestamp(service.clock() + AGAIN_SECONDS, dt.UTC)
                raise TryLater(str(error), until) from error
            if last:
                await handlers.abandon(event, service, str(error) or type(error).__name__)
            raise

    return dispatch


def _wake(store: Store, clock: Callable[[], float]) -> Callable[[str, Target], Awaitable[None]]:
    """A visitor at a sleeping preview: a delivery like any other, so that the worker may be another process."""

    async def wake(_host: str, target: Target) -> None:
        errand = errands.wake(target.deployment, uuid.uuid4().hex)
        await store.write(deliveries.send, errand, clock())

    return wake


async def _open(
    settings: Settings,
    store: Store,
    proxy: Proxy,
    asked: Sequence[Callable[[], Awaitable[None]]],
    stack: contextlib.AsyncExitStack,
    tasks: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def ready() -> list[str]:
        said = await asyncio.gather(*(check() for check in asked), return_exceptions=True)
        for one in said:
            if isinstance(one, BaseException) and not isinstance(one, RunnerError):
                raise one
        return [str(one) for one in said if one is not None]

    await door.show_routes(store, proxy)  # before the first request
    runner = door.runner(door.application(settings, store, proxy=proxy, ready=ready), **SERVER_OPTIONS)
    await runner.setup()
    stack.push_async_callback(door.close, runner)
    stack.push_async_callback(proxy.close)  # before the cleanup: it ends what waits
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        raise Misconfigured(f"Can't listen on {settings.host}:{settings.port} ({error.strerror}); set PORT.") from error
    tasks(door.follow_routes(store, proxy))
    tasks(door.note_activity(store, proxy))
    tasks(door.note_traffic(store, proxy))


async def _hide(store: Store, settings: Settings) -> None:
    """What was set before this life began is blotted out of logs from its first moment."""
    for row in await store.read(secrets.listed):
        try:
            telemetry.hide([await asyncio.to_thread(secrets.opened, row, settings.home)])
        except Misconfigured as error:
            _log.warning("%s", error)


async def _runner(settings: Settings) -> Runner:
    try:
        return await choose(
            settings.runner,
            settings.home.absolute(),
            images=settings.images,
            certificates=settings.certificates,
        )
    except Unavailable as error:
        raise Misconfigured(f"{error} Set SLIPWAY_RUNNER=process to do without.") from error


@contextlib.asynccontextmanager
async def _tasks() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Tasks that live as long as the service; one that fails ends it."""
    here = asyncio.current_task()
    running: set[asyncio.Task[None]] = set()
    failed: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and here is not None:
            failed.append(error)
            here.cancel()

    def start(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        running.add(task)
        task.add_done_callback(ended)

    try:
        yield start
    except asyncio.CancelledError:
        if failed:
            raise failed[0] from None
        raise
    finally:
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
