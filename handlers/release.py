"""What the clock asks of releases: see `bot.errands`."""

from __future__ import annotations

from bot.service import Event, Service


async def watch(event: Event, service: Service) -> None:
    """One look at what was released; it sends for the next itself."""
    await service.releases.watch(event.payload["release"], event.payload["n"])


async def revive(event: Event, service: Service) -> None:
    await service.releases.revive(event.payload["release"])


async def settle(event: Event, service: Service) -> None:
    await service.releases.settle(event.payload["project"], event.payload["environment"])


async def rescan(event: Event, service: Service) -> None:
    """Once a night: what became known of what serves."""
    await service.releases.night(event.payload["project"], event.payload["day"])
