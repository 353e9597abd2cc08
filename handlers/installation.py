"""An account installed the app, suspended it or removed it, or changed which repositories it may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.errands import remove
from bot.github.shapes import installation_of, number_of
from bot.service import Event, Service
from bot.store import deployments, projects


async def handle(event: Event, service: Service) -> None:
    installation = installation_of(event.payload)
    match event.action:
        case "deleted" | "suspend":
            installation.state = "deleted" if event.action == "deleted" else "suspended"
            await service.store.write(projects.note_installation, installation, service.clock())
            left = await service.store.write(projects.leave, installation.id, None, service.clock(), event.guid)
            await _remove(event, service, left)
        case "created" | "unsuspend" | "new_permissions_accepted":
            await service.store.write(projects.note_installation, installation, service.clock())


async def handle_repositories(event: Event, service: Service) -> None:
    installation = installation_of(event.payload)
    await service.store.write(projects.note_installation, installation, service.clock())
    removed = event.payload.get("repositories_removed")
    ids = [number_of(one, "id") for one in removed if isinstance(one, Mapping)] if isinstance(removed, list) else []
    if ids:
        left = await service.store.write(projects.leave, installation.id, ids, service.clock(), event.guid)
        await _remove(event, service, left)


async def _remove(event: Event, service: Service, projects: Iterable[int]) -> None:
    numbers = await service.store.read(deployments.pulls_held, list(projects))
    await service.send(*(remove(project, number, event.guid) for project, number in numbers))
