"""A repository was renamed, moved, archived or deleted.  Its number stays."""

from __future__ import annotations

from bot.errands import remove
from bot.github.shapes import project_of
from bot.service import Event, Service
from bot.store import deployments, projects


async def handle(event: Event, service: Service) -> None:
    project = project_of(event.payload)
    match event.action:
        case "renamed" | "transferred" | "edited" | "unarchived" | "publicized" | "privatized":
            await service.store.write(projects.note_project, project, service.clock())
            await service.previews.rename(project)
        case "archived" | "deleted":
            project.state = "gone" if event.action == "deleted" else "archived"
            await service.store.write(projects.note_project, project, service.clock())
            numbers = await service.store.read(deployments.pulls_held, [project.id])
            await service.send(*(remove(owner, number, event.guid) for owner, number in numbers))
