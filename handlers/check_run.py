"""Somebody pressed *Re-run* on our check, or one of its buttons: a command that is bound to the check's commit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bot import slash
from bot.errands import rebuild
from bot.github.shapes import project_of, text_of
from bot.messages import BUTTONS
from bot.messages.gate import GATE
from bot.releases.ask import Actor
from bot.service import Event, Service
from bot.store import commands, projects
from handlers import bus, gate, machine


async def handle(event: Event, service: Service) -> None:
    check = _map(event.payload, "check_run")
    if event.action == "rerequested" and check.get("name") == GATE:
        await gate.rerequested(event, service, text_of(check, "head_sha"))
    elif event.action == "rerequested":
        await rerun(event, check, service)
    elif event.action == "requested_action":
        await pressed(event, service)
    elif event.action in ("created", "completed"):
        await gate.checked(event, service)


async def rerun(event: Event, check: object, service: Service) -> None:
    """Build the head again in every open pull request that has the check's commit for its head."""
    sha = text_of(check, "head_sha") if isinstance(check, Mapping) else ""
    project = project_of(event.payload)
    numbers = await service.store.read(projects.pulls_of_head, project.id, sha)
    person = _person(_map(event.payload, "sender")) is not None
    await service.send(*(rebuild(project.id, number, event.guid, person=person) for number in numbers))


async def pressed(event: Event, service: Service) -> None:
    """A button says what its command would; the deployment it shows is the target, so the commit can't be another."""
    check, button = _map(event.payload, "check_run"), _map(event.payload, "requested_action").get("identifier")
    line, actor = BUTTONS.get(str(button)), _person(_map(event.payload, "sender"))
    project = await service.store.read(projects.project, project_of(event.payload).id)
    if line is None or actor is None or project is None or project.state != "active":
        return
    if await machine.is_declared(service, project, actor.id, None):
        actor = dataclasses.replace(actor, kind="bot", agent=True)
    if _map(check, "app").get("id") != await service.github.app_id():
        return
    ident, sha = str(check.get("external_id")), str(check.get("head_sha"))
    shown = await service.store.read(commands.deployment_of_check, project.id, ident, sha)
    said = slash.parse(line.format(target=shown.id)) if shown else None
    if shown is not None and shown.number is not None and said is not None:
        line = str(button)
        await bus.hear(
            bus.Heard(said, line, event.guid, project, shown.number, actor, received_at=event.received_at), service
        )


def _person(sender: Mapping[str, Any]) -> Actor | None:
    number, login = sender.get("id"), sender.get("login")
    if sender.get("type") != "User" or not isinstance(number, int) or not isinstance(login, str):
        return None
    return Actor(number, login, "person", "check")


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}
