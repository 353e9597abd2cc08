"""Keeps the router of this process and the database in step, whoever writes the routes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from bot.store import Store, rows, traffic
from runners.base import Router, Target, Traffic

_LOOK_AGAIN = 5.0  # seconds, should a signal be lost
_log = logging.getLogger(__name__)


class Active(Protocol):
    """Knows who was visited."""

    def activity(self) -> Mapping[str, float]:
        """When each deployment last served a request, in Unix seconds, since the last call."""


async def show_routes(store: Store, router: Router, seen: int = 0) -> int:
    """Give the router every route newer than version `seen`; the version it now shows.

    Who writes a route in this process may point the router himself right after the commit.  What a commit has
    overtaken is therefore read again: an older target never comes after a newer one."""
    while True:
        before = store.changed
        newer = await store.read(rows.routes_after, seen)
        if not newer or store.changed == before:
            break
    for route in newer:
        if route.target is None:
            await router.drop(route.host)
        else:
            await router.point(route.host, Target.from_json(route.target))
        seen = route.version
    return seen


async def follow_routes(store: Store, router: Router) -> None:
    """Show all routes, then each change as it is committed; runs until it is cancelled."""
    shown = 0
    while True:
        changed = store.changed
        try:
            shown = await show_routes(store, router, shown)
        except DBAPIError:
            _log.exception("the routes can't be read; trying again")
            await asyncio.sleep(1)
            continue
        await store.wait_changed(changed, _LOOK_AGAIN)


async def note_activity(store: Store, proxy: Active, every: float = 30.0) -> None:
    """Write down every so many seconds when previews were last visited; runs until it is cancelled."""
    unwritten: dict[str, float] = {}
    while True:
        await asyncio.sleep(every)
        unwritten |= proxy.activity()
        if not unwritten:
            continue
        try:
            await store.write(rows.note_activity, dict(unwritten))
            unwritten = {}
        except DBAPIError:
            _log.exception("visits can't be written down; trying again")


async def note_traffic(store: Store, router: Router, every: float = 2.0) -> None:
    """Write down every so many seconds what the router counted; runs until it is cancelled, and then once more.

    The worker, which may be another process, reads it there."""
    unwritten: dict[str, Traffic] = {}
    try:
        while True:
            await asyncio.sleep(every)
            unwritten = await _note_traffic(store, router, unwritten)
    finally:
        await _note_traffic(store, router, unwritten)


async def _note_traffic(store: Store, router: Router, unwritten: Mapping[str, Traffic]) -> dict[str, Traffic]:
    """What could not be written, to be tried again."""
    counted = dict(unwritten)
    for deployment, more in router.traffic().items():
        counted[deployment] = counted.get(deployment, Traffic()) + more
    if not counted:
        return {}
    try:
        await store.write(traffic.add, counted, store.clock())
    except DBAPIError:
        _log.exception("what the router counted can't be written down; trying again")
        return counted
    return {}
