"""A pull request was opened, pushed to, closed, or changed in some other way."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from bot import errands
from bot.github.shapes import project_of, pull_of
from bot.models import Project, PullRequest
from bot.service import Event, Service
from bot.store import deliveries, gates, pulls


async def handle(event: Event, service: Service) -> None:
    project = project_of(event.payload)
    raw = event.payload.get("pull_request")
    pull = pull_of(raw if isinstance(raw, dict) else {}, project.id)
    match event.action:
        case "opened" | "reopened" | "synchronize":
            pull.pusher_id = _sender(event)
            await service.previews.refresh(project, pull, event.guid)
        case "closed":
            await service.previews.close(project, pull, event.guid)
            await service.store.write(gates.ask_known, project.id, pull.head_sha, event.guid, service.clock())
        case _ if pull.state != "open":  # whatever it tells: should the closing itself have been missed
            await service.previews.close(project, pull, event.guid)
        case "edited" if "base" in (event.payload.get("changes") or {}):
            await service.store.write(_asked_again, project, pull, event.guid, service.clock(), policy=True)
        case "ready_for_review" | "converted_to_draft":
            await service.store.write(_asked_again, project, pull, event.guid, service.clock())
        case "edited" | "labeled":
            await service.store.write(pulls.note_pull, project, pull, service.clock())


def _asked_again(
    session: Session, project: Project, pull: PullRequest, guid: str, now: float, *, policy: bool = False
) -> None:
    """What the verdict may turn on has changed without a push."""
    pulls.note_pull(session, project, pull, now)
    gates.ask(session, project.id, pull.head_sha, guid, now)
    if policy:
        deliveries.send(session, errands.policy(project.id, pull.number, guid), now)


def _sender(event: Event) -> int | None:
    """Who pushed, or opened it."""
    sender = event.payload.get("sender")
    number = sender.get("id") if isinstance(sender, Mapping) else None
    return number if isinstance(number, int) else None
