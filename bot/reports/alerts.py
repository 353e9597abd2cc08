"""Budgets that run low, and what became known of what serves, told to a webhook, in the JSON that Slack takes."""

from __future__ import annotations

import logging
from collections.abc import Callable

import aiohttp

from bot.messages import late
from bot.messages.money import alert
from bot.store import Store, nights
from bot.store.money import Money

TIMEOUT_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Alerts:
    """`url` None: nobody is told outside GitHub."""

    def __init__(self, url: str | None, money: Money, store: Store, clock: Callable[[], float]) -> None:
        self._url, self._money, self._store, self._clock = url, money, store, clock

    async def tell(self) -> None:
        """Send what has not been sent; what is not taken is sent again the next time, in its order."""
        for row in await self._money.untold():
            if self._url is not None and not await _taken(self._url, alert(row.model_dump(), self._money.currency)):
                return
            await self._money.told([row])
        for night, project in await self._store.read(nights.untold):
            said = late.alert(night.found, night.fault, project.full_name)
            if self._url is not None and not await _taken(self._url, said):
                return
            await self._store.write(nights.told, night.project_id, night.day, self._clock())


async def _taken(url: str, body: dict[str, str]) -> bool:
    """The address itself is a secret, so that no error of it is told in full."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session,
            session.post(url, json=body, allow_redirects=False) as answer,
        ):
            taken, said = answer.status < 300, str(answer.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        taken, said = False, type(error).__name__
    if not taken:
        _log.warning("the alert_webhook of SLIPWAY_MONEY did not take an alert: %s", said)
    return taken
