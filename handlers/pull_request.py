"""A pull request was opened, pushed to, closed, or changed in some other way."""

from __future__ import annotations

from bot import errands
from bot.github.shapes import project_of, pull_of
from bot.service import Event, Service
from bot.store import deployments, projects


async def handle(event: Event, service: Service) -> None:
    project = project_of(event.payload)
    raw = event.payload.get("pull_request")
    pull = pull_of(raw if isinstance(raw, dict) else {}, project.id)
    match event.action:
        case "opened" | "reopened" | "synchronize":
            await service.store.write(projects.note_project, project, service.clock())
            await service.send(errands.policy(project.id, pull.number, event.guid))
            await service.previews.refresh(project, pull, event.guid)
        case "closed":
            await service.previews.close(project, pull, event.guid)
        case _ if pull.state != "open":  # whatever it tells: should the closing itself have been missed
            await service.previews.close(project, pull, event.guid)
        case "ready_for_review" | "converted_to_draft" | "edited" | "labeled":
            await service.store.write(deployments.note_pull, project, pull, service.clock())
