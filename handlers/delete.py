"""A branch was deleted: GitHub closes its pull requests, and we look whether it did."""

from __future__ import annotations

from bot.errands import look
from bot.github.shapes import project_of, text_of
from bot.service import Event, Service
from bot.store import projects


async def handle(event: Event, service: Service) -> None:
    if event.payload.get("ref_type") != "branch":
        return
    project = project_of(event.payload)
    numbers = await service.store.read(projects.pulls_of_branch, project.id, text_of(event.payload, "ref"))
    await service.send(*(look(project.id, number, event.guid) for number in numbers))
