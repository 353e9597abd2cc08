"""The deliveries that we send ourselves: see `bot.errands`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.errors import GitHubRefused
from bot.github.shapes import pull_of
from bot.models import Project
from bot.service import Event, Service
from bot.store import deployments


async def look(event: Event, service: Service) -> None:
    """Make a pull request what GitHub says it is.  An error says nothing about it, so it changes nothing."""
    project, raw = await _ask(event, service)
    if project is None or raw is None:
        return
    pull = pull_of(raw, project.id)
    if pull.state == "open":
        await service.previews.refresh(project, pull, event.guid)
    else:
        await service.previews.close(project, pull)


async def rebuild(event: Event, service: Service) -> None:
    project, raw = await _ask(event, service)
    if project is not None and raw is not None:
        await service.previews.refresh(project, pull_of(raw, project.id), event.guid, again=True)


async def remove(event: Event, service: Service) -> None:
    standing = await service.store.read(deployments.standing, event.payload["project"], event.payload["number"])
    if standing is not None:
        await service.previews.remove(standing.project, standing.pull)


async def wake(event: Event, service: Service) -> None:
    await service.previews.wake(event.payload["deployment"])


async def sleep(event: Event, service: Service) -> None:
    await service.previews.sleep(event.payload["deployment"])


async def expire(event: Event, service: Service) -> None:
    await service.previews.expire(event.payload["deployment"], event.payload.get("last"))


async def _ask(event: Event, service: Service) -> tuple[Project | None, Mapping[str, Any] | None]:
    project = await service.store.read(deployments.project, event.payload["project"])
    if project is None or project.state != "active":
        return None, None
    repository = service.github.repository(project.installation_id, project.id, project.full_name)
    try:
        return project, await repository.pull(event.payload["number"])
    except GitHubRefused:
        return project, None
