"""What a handler is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from bot.errands import Errand
from bot.github import GitHub
from bot.permissions.policies import Policies
from bot.previews import Previews
from bot.releases import Releases
from bot.reports.gate import Gates
from bot.reports.policy import PolicyCheck
from bot.reports.scan import ScanCheck
from bot.sources import Sources
from bot.store import Store, deliveries


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """What happened, in GitHub's words (or `slipway.*`, in ours)."""

    name: str
    action: str
    payload: Mapping[str, Any]
    guid: str
    received_at: float = 0.0  # when it was accepted, Unix seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """The recipes and the edges, for handlers only."""

    store: Store
    github: GitHub
    sources: Sources
    previews: Previews
    releases: Releases
    policies: Policies
    policy_check: PolicyCheck
    gates: Gates
    scan_check: ScanCheck
    clock: Callable[[], float]

    async def send(self, *errands: Errand) -> None:
        """Put deliveries of our own into the queue; those that were sent before stay as they are."""
        now = self.clock()

        def accept_all(session: Any) -> None:
            for one in errands:
                deliveries.send(session, one, now)

        if errands:
            await self.store.write(accept_all)
