"""As many previews run at once as a policy allows: one that starts takes a place, the least recently used give theirs.

There is one worker, so who is just being started is known here and needs no row.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

from bot.models import Deployment, Project
from bot.policy.admission import Denied, Occupant, room
from bot.previews.ground import Ground
from bot.store import agents


class Places:
    """`sleep` puts a preview to sleep, by the id of its deployment."""

    def __init__(self, ground: Ground, sleep: Callable[[str], Awaitable[None]]) -> None:
        self._ground, self._sleep = ground, sleep
        self._starting: dict[str, tuple[Deployment, int | None]] = {}
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def place(
        self, project: Project, deployment: Deployment, agent_id: int | None
    ) -> AsyncIterator[Denied | None]:
        """A place for as long as a preview starts, and once it runs for as long as it does; or why there is none."""
        denied = await self._take(project, deployment, agent_id)
        try:
            yield denied
        finally:
            self._starting.pop(deployment.id, None)

    async def _take(self, project: Project, deployment: Deployment, agent_id: int | None) -> Denied | None:
        ground, preview = self._ground, (await self._ground.terms(project)).preview
        async with self._locks.setdefault(project.id, asyncio.Lock()):
            if preview.max_concurrent is not None or preview.per_agent is not None:
                awake = await ground.store.read(agents.occupants, project.id, deployment.number)
                others = [*awake, *self._others(deployment, {one.deployment for one in awake})]
                found = room(preview, agent_id, others, ground.clock())
                if found.denied is not None:
                    return found.denied
                for one in found.sleep:
                    await self._sleep(one)
            self._starting[deployment.id] = (deployment, agent_id)
        return None

    def _others(self, deployment: Deployment, awake: set[str]) -> list[Occupant]:
        """Those of other pull requests of the project that start at this moment."""
        return [
            Occupant(one.id, one.active_at, agent_id, starting=True)
            for one, agent_id in self._starting.values()
            if (one.project_id, one.number) != (deployment.project_id, deployment.number)
            and one.project_id == deployment.project_id
            and one.id not in awake
        ]
