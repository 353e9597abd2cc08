"""A pull request may change the policy: see `bot.errands.policy`."""

from __future__ import annotations

from bot.errors import GitHubRefused
from bot.service import Event, Service

GONE = (404, 410, 422)  # the repository, the pull request or its commit, or it is not ours to see any more


async def look(event: Event, service: Service) -> None:
    try:
        await service.policy_check(event.payload["project"], event.payload["number"])
    except GitHubRefused as error:
        if error.status not in GONE:
            raise
