"""The floor under promoting and going back: one switch by itself, of the books and of the router."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aiohttp import web

from bench.commands import shows
from bot import errands
from bot.audit import Entry
from bot.models import Release
from bot.store import Store, environments, migrate, releases
from runners.base import Instance, Target
from runners.proxy import SERVER_OPTIONS, Proxy

_HOST = "main--floor--bench.localhost"
_PROJECT, _ENVIRONMENT = 1, "production"


class Router:
    """Slipway's own router with one hostname, in this process."""

    def __init__(self, proxy: Proxy, port: int) -> None:
        self._proxy, self._port = proxy, port

    async def point(self, instance: Instance, text: str) -> float:
        """Seconds from pointing the hostname at something that runs until that is what is answered."""
        began = time.perf_counter()
        await self._proxy.point(_HOST, Target("instance", instance.deployment, host=instance.host, port=instance.port))
        return await shows(self._port, text, name=_HOST) - began


class Books:
    """The table of releases, in a database of its own."""

    def __init__(self, store: Store) -> None:
        self._store, self._count = store, 0

    async def switch(self) -> float:
        """Seconds that the transaction of one switch takes, with all that is written in it."""
        self._count += 1
        now, guid = time.time(), f"switch-{self._count}"
        lease = await self._store.write(environments.take, _PROJECT, _ENVIRONMENT, guid, now, 60.0)
        release = Release(
            delivery=guid,
            project_id=_PROJECT,
            environment=_ENVIRONMENT,
            deployment=guid,
            sha="0" * 40,
            artifact=f"sha256:{self._count % 2}",
            started_at=now,
        )
        row = await self._store.write(releases.begin, release)
        assert lease is not None
        change = _change(row, lease, now)
        began = time.perf_counter()
        await self._store.write(releases.switch, row.id, change, now)
        return time.perf_counter() - began


def _change(row: Release, lease: environments.Lease, now: float) -> releases.Switch:
    instance = Instance(row.id, row.id, "process", "127.0.0.1", 1)
    target = Target("instance", row.id, host=instance.host, port=instance.port, robots=True)
    line = Entry("release.live", now, project_id=_PROJECT, environment=_ENVIRONMENT, artifact=row.artifact)
    return releases.Switch(
        lease=lease,
        routes={_HOST: target.as_json()},
        instance=instance.as_json(),
        entry=dataclasses.replace(line, delivery=row.delivery, shas={"head": row.sha}),
        errands=((errands.watch(row.id, 0), now + 5), (errands.settle(_PROJECT, _ENVIRONMENT, row.id), 0.0)),
    )


@contextlib.asynccontextmanager
async def router() -> AsyncIterator[Router]:
    """For as long as the block runs."""

    async def wake(_host: str, _target: Target) -> None:
        return

    proxy = Proxy("localhost", wake=wake)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", proxy.handle)
    runner = web.AppRunner(app, **SERVER_OPTIONS, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Router(proxy, runner.addresses[0][1])
    finally:
        await proxy.close()
        await runner.cleanup()


@contextlib.contextmanager
def books(folder: Path) -> Iterator[Books]:
    """For as long as the block runs; its file is on the disk that slipway's own is on."""
    url = f"sqlite:///{folder / 'floor.db'}"
    migrate(url)
    store = Store.open(url)
    try:
        yield Books(store)
    finally:
        store.close()
