"""Somebody pressed *Re-run* on our check."""

from __future__ import annotations

from collections.abc import Mapping

from bot.errands import rebuild
from bot.github.shapes import project_of, text_of
from bot.service import Event, Service
from bot.store import deployments


async def handle(event: Event, service: Service) -> None:
    if event.action == "rerequested":
        await rerun(event, event.payload.get("check_run"), service)


async def rerun(event: Event, check: object, service: Service) -> None:
    """Build the head again in every open pull request that has the check's commit for its head."""
    sha = text_of(check, "head_sha") if isinstance(check, Mapping) else ""
    project = project_of(event.payload)
    numbers = await service.store.read(deployments.pulls_of_head, project.id, sha)
    await service.send(*(rebuild(project.id, number, event.guid) for number in numbers))
