"""A head is to be scanned, or told of anew: see `bot.errands.scan`."""

from __future__ import annotations

from bot.errors import GitHubRefused
from bot.service import Event, Service
from handlers.policy import GONE


async def look(event: Event, service: Service) -> None:
    try:
        await service.scan_check(event.payload["project"], event.payload["number"])
    except GitHubRefused as error:
        if error.status not in GONE:
            raise
