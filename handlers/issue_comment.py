"""Somebody wrote on a pull request: perhaps a command.

Only a new comment is one, sent by its author; an edited one never (it would act today with what somebody wrote last
month), nor one of a machine that the policy does not declare by its number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot import errands, slash
from bot.audit import Entry
from bot.github.shapes import project_of, text_of
from bot.messages.commands import fault
from bot.models import Project
from bot.releases.ask import Actor
from bot.service import Event, Service
from bot.store import commands, projects
from handlers import bus, machine

# GitHub's stamp is cut to the second and its clock is not ours; what was shown later than that, the author never saw.
SKEW = 2.0
LATEST = 7 * 86400.0  # GitHub sends nothing again that is older, so an older stamp is a clock that is wrong


async def handle(event: Event, service: Service) -> None:
    match event.action:
        case "created":
            await _created(event, service)
        case "edited" | "deleted":
            await _changed(event, service)


async def _created(event: Event, service: Service) -> None:
    comment, issue = _map(event.payload, "comment"), _map(event.payload, "issue")
    number, ident, body = issue.get("number"), comment.get("id"), comment.get("body")
    if not isinstance(number, int) or not isinstance(ident, int) or not isinstance(body, str):
        return
    said = slash.parse(body) if issue.get("pull_request") else None
    if said is None:
        return
    project = await _served(event, service)
    actor = await _author(event, service, project) if project is not None else None
    if project is None or actor is None:
        return
    heard = bus.Heard(
        said=said,
        line=body.strip().splitlines()[0],
        ident=str(ident),
        project=project,
        number=number,
        actor=actor,
        received_at=_received(event, comment),
        comment_id=ident,
        comment_hash=_digest(body),
        comment_node=text_of(comment, "node_id"),
    )
    await bus.hear(heard, service)


async def abandon(event: Event, service: Service, reason: str) -> None:
    """The command failed by a fault of ours: what it had begun ends, and who wrote it is told."""
    ident, project = _map(event.payload, "comment").get("id"), project_of(event.payload)
    number = _map(event.payload, "issue").get("number")
    if isinstance(ident, int) and isinstance(number, int) and await service.store.read(commands.known, str(ident)):
        await service.releases.abandon(f"command:{ident}", reason)
        told = errands.answer(project.id, number, str(ident), comment=ident, reaction="-1", body=fault(str(ident)))
        await service.store.write(commands.end, str(ident), None, None, (told,), service.clock())


async def _changed(event: Event, service: Service) -> None:
    """A command that has been run stays what it was; that somebody changed its words afterwards is in the books."""
    comment, sender = _map(event.payload, "comment"), _map(event.payload, "sender")
    ident, changer, number = comment.get("id"), sender.get("id"), _map(event.payload, "issue").get("number")
    if not isinstance(ident, int) or not isinstance(number, int):
        return
    if not await service.store.read(commands.known, str(ident)):
        return
    project = project_of(event.payload)
    entry = Entry(
        f"comment.{event.action}",
        service.clock(),
        project_id=project.id,
        number=number,
        actor=Actor(
            changer if isinstance(changer, int) else 0,
            str(sender.get("login")),
            "person" if sender.get("type") == "User" else "bot",
            "comment",
        ),
        delivery=event.guid,
        comment_id=ident,
        comment_hash=_digest(str(comment.get("body") or "")),
    )
    await service.store.write(commands.rewritten, str(ident), project.id, number, event.action, entry)


async def _served(event: Event, service: Service) -> Project | None:
    """The repository, when this installation is the one that we serve it for."""
    project = project_of(event.payload)
    known = await service.store.read(projects.project, project.id)
    if known is None:
        return await service.store.write(projects.note_project, project, service.clock())
    return known if known.state == "active" and known.installation_id == project.installation_id else None


async def _author(event: Event, service: Service, project: Project) -> Actor | None:
    """Who wrote it, when that is the sender; None for our own comments, and for machines that no policy declares."""
    comment, sender = _map(event.payload, "comment"), _map(event.payload, "sender")
    author, via = _map(comment, "user"), comment.get("performed_via_github_app")
    number, login = sender.get("id"), sender.get("login")
    kind, app = sender.get("type"), via.get("id") if isinstance(via, Mapping) else None
    if kind not in ("User", "Bot") or author.get("type") != kind or number != author.get("id"):
        return None
    if not isinstance(number, int) or not isinstance(login, str) or (kind == "Bot" and not isinstance(app, int)):
        return None
    if app is not None and app == await service.github.app_id():
        return None
    app = app if isinstance(app, int) else None
    agent = await machine.is_declared(service, project, number, app)
    if kind == "Bot" and not agent:
        return None
    person = via is None and not agent
    return Actor(number, login, "person" if person else "bot", "comment", app, agent)


def _received(event: Event, comment: Mapping[str, Any]) -> float:
    """When the command counts as given: on arrival, or, had it been on its way for long, when it was written."""
    try:
        written = datetime.fromisoformat(str(comment.get("created_at"))).timestamp()
    except ValueError:
        return event.received_at
    late = SKEW < event.received_at - written < LATEST
    return written + SKEW if late else event.received_at


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}
