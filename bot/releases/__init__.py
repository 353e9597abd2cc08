"""The recipe of a release: promote what people saw, watch it, go back.

What an environment serves changes in one place, `bot.store.releases.switch`; everything before it leaves no trace
that a crash could not find again, everything after it may be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from bot.github import GitHub
from bot.permissions.policies import Policies
from bot.releases.ask import Actor, Ask, Outcome, refused
from bot.releases.desk import Desk
from bot.releases.ground import PRODUCTION, Ground
from bot.releases.nights import Nightly
from bot.releases.promote import Promote
from bot.releases.revoke import Revoke
from bot.releases.rollback import Rollback
from bot.releases.upkeep import Upkeep
from bot.releases.verdict import Watch
from bot.releases.watch import Vigil
from bot.settings import Settings
from bot.sources import Sources
from bot.store import Store
from runners.base import Router, Runner

__all__ = ["PRODUCTION", "Actor", "Ask", "Outcome", "Releases", "Watch"]


class Releases:
    """What environments serve.  Every verb answers with an Outcome; TryLater is the only error that is meant."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        github: GitHub,
        sources: Sources,
        runner: Runner,
        router: Router,
        clock: Callable[[], float] = time.time,
        *,
        policies: Policies,
        watch: Watch | None = None,
        scans: bool = False,
    ) -> None:
        ground = self._ground = Ground(
            settings, store, github, runner, router, clock, watch or Watch(), policies, scans
        )
        self._promote, self._rollback, self._desk = Promote(ground, sources), Rollback(ground), Desk(ground)
        self.watch = Vigil(ground, self._rollback)
        self._revoke, self.night = Revoke(ground), Nightly(ground)
        self.abandon, self.shown = self._promote.abandon, self._promote.shown
        upkeep = Upkeep(ground, sources)
        self.dead, self.revive, self.settle, self.log = upkeep.dead, upkeep.revive, upkeep.settle, upkeep.log

    async def promote(self, ask: Ask) -> Outcome:
        """Serve what the comment showed when the command was received."""
        return await self._known(ask, self._promote)

    async def rollback(self, ask: Ask) -> Outcome:
        """Serve what was good before, at once, and hold the environment."""
        return await self._known(ask, self._rollback)

    async def revoke(self, ask: Ask) -> Outcome:
        """Never run that again."""
        return await self._known(ask, self._revoke)

    async def plan(self, ask: Ask) -> Outcome:
        """What `promote` would answer now."""
        return await self._known(ask, self._promote.plan)

    async def hold(self, ask: Ask) -> Outcome:
        return await self._known(ask, self._desk.hold)

    async def unhold(self, ask: Ask) -> Outcome:
        return await self._known(ask, self._desk.unhold)

    async def lock(self, ask: Ask, seconds: float) -> Outcome:
        return await self._known(ask, lambda ask: self._desk.lock(ask, seconds))

    async def unlock(self, ask: Ask) -> Outcome:
        return await self._known(ask, self._desk.unlock)

    async def freeze(self, ask: Ask, until: float) -> Outcome:
        return await self._known(ask, lambda ask: self._desk.freeze(ask, until))

    async def unfreeze(self, ask: Ask) -> Outcome:
        return await self._known(ask, self._desk.unfreeze)

    async def _known(self, ask: Ask, do: Callable[[Ask], Awaitable[Outcome]]) -> Outcome:
        """A misspelt environment must not be made: there are those that the policy names, and two that are always."""
        names = (await self._ground.policies.held(ask.project)).effective.environments
        if ask.environment not in names:
            words = (
                f"There is no environment {ask.environment[:40]!r} to release to; there are {', '.join(sorted(names))}."
            )
            return refused("unknown_environment", words, f"/status {PRODUCTION}")
        return await do(ask)
