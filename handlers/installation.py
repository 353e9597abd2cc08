"""An account installed the app, suspended it or removed it, or changed which repositories it may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.errands import remove
from bot.github.shapes import Malformed
from bot.models import Installation
from bot.service import Event, Service
from bot.store import deployments


async def handle(event: Event, service: Service) -> None:
    installation = _installation(event)
    match event.action:
        case "deleted" | "suspend":
            installation.state = "deleted" if event.action == "deleted" else "suspended"
            await service.store.write(deployments.note_installation, installation, service.clock())
            projects = await service.store.write(deployments.leave, installation.id, None, service.clock(), event.guid)
            await _remove(event, service, projects)
        case "created" | "unsuspend" | "new_permissions_accepted":
            await service.store.write(deployments.note_installation, installation, service.clock())


async def handle_repositories(event: Event, service: Service) -> None:
    installation = _installation(event)
    await service.store.write(deployments.note_installation, installation, service.clock())
    removed = event.payload.get("repositories_removed")
    ids = [one["id"] for one in removed or () if isinstance(one, Mapping) and isinstance(one.get("id"), int)]
    if ids:
        projects = await service.store.write(deployments.leave, installation.id, ids, service.clock(), event.guid)
        await _remove(event, service, projects)


async def _remove(event: Event, service: Service, projects: Iterable[int]) -> None:
    numbers = await service.store.read(deployments.pulls_held, list(projects))
    await service.send(*(remove(project, number, event.guid) for project, number in numbers))


def _installation(event: Event) -> Installation:
    raw: Any = event.payload.get("installation")
    if not isinstance(raw, Mapping) or not isinstance(raw.get("id"), int):
        raise Malformed("no installation")
    account = raw.get("account")
    login = account.get("login") if isinstance(account, Mapping) else None
    return Installation(id=raw["id"], account=str(login or ""))
