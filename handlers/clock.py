"""The deliveries that we send ourselves: see `bot.errands`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot import errands
from bot.errors import GitHubRefused
from bot.github.shapes import pull_of
from bot.models import Project
from bot.service import Event, Service
from bot.store import commands, deployments, policies, projects, pulls
from handlers.answer import after_work


async def look(event: Event, service: Service) -> None:
    """Make a pull request what GitHub says it is.  An error says nothing about it, so it changes nothing."""
    project, raw = await _ask(event, service)
    if project is None or raw is None:
        return
    pull = pull_of(raw, project.id)
    if pull.state == "open":
        if await service.store.read(policies.of_head, project.id, pull.number, pull.head_sha) is None:
            await service.send(errands.policy(project.id, pull.number, event.guid))
        await service.previews.refresh(project, pull, event.guid)
    else:
        await service.previews.close(project, pull, event.guid)


async def rebuild(event: Event, service: Service) -> None:
    project, raw = await _ask(event, service)
    if project is not None and raw is not None:
        person = event.payload.get("person") is True
        await service.previews.refresh(project, pull_of(raw, project.id), event.guid, again=True, by_person=person)
        await after_work(event, service)


async def merge(event: Event, service: Service) -> None:
    """Show the merge's commit, if that is still what GitHub says was merged."""
    project, raw = await _ask(event, service)
    if project is not None and raw is not None and raw.get("merge_commit_sha") == event.payload["sha"]:
        await service.previews.show_merge(project, pull_of(raw, project.id), event.payload["sha"], event.guid)


async def remove(event: Event, service: Service) -> None:
    standing = await service.store.read(deployments.standing, event.payload["project"], event.payload["number"])
    if standing is None:
        return
    by = event.payload.get("by")
    if by and standing.newest is not None:
        words = f"{by} removed it with /teardown."
        await service.store.write(commands.explain, standing.newest.id, "torn_down", words)
    await service.previews.remove(standing.project, standing.pull, event.guid)
    await after_work(event, service, done=True)


async def cancel(event: Event, service: Service) -> None:
    """Its topic has stopped the work already; what is left is to say so, also of a head that nobody had begun with."""
    project, raw = await _ask(event, service)
    if project is None or raw is None:
        return
    now, why = service.clock(), event.payload.get("why")
    words = why or f"{event.payload['by']} stopped it with /cancel."
    _project, pull = await service.store.write(pulls.note_pull, project, pull_of(raw, project.id), now)
    standing = await service.store.read(deployments.standing, pull.project_id, pull.number)
    newest = standing.newest if standing else None
    if pull.state == "open" and (newest is None or newest.sha != pull.head_sha):
        newest = await service.store.write(deployments.begin, event.guid, pull, pull.head_sha, now)
    if newest is not None:
        more = {name: event.payload[name] for name in ("reason_code", "next") if event.payload.get(name)}
        await service.store.write(commands.cancel, newest.id, words, now, **more)
    await after_work(event, service, done=True)


async def wake(event: Event, service: Service) -> None:
    await service.previews.wake(event.payload["deployment"])
    await service.releases.revive(event.payload["deployment"])  # what does not answer may be production


async def sleep(event: Event, service: Service) -> None:
    await service.previews.sleep(event.payload["deployment"])


async def expire(event: Event, service: Service) -> None:
    await service.previews.expire(event.payload["deployment"], event.payload.get("last"), event.guid)


async def _ask(event: Event, service: Service) -> tuple[Project | None, Mapping[str, Any] | None]:
    project = await service.store.read(projects.project, event.payload["project"])
    if project is None or project.state != "active":
        return None, None
    repository = service.github.repository(project.installation_id, project.id, project.full_name)
    try:
        return project, await repository.pull(event.payload["number"])
    except GitHubRefused:
        return project, None
