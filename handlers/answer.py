"""Somebody who wrote a command is answered: a reaction, and at most one comment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from bot import errands
from bot.errors import GitHubDown, GitHubRefused
from bot.github import Repository
from bot.messages.commands import answers
from bot.models import State
from bot.service import Event, Service
from bot.store import commands, deployments, projects

MOST = 20  # answers on one pull request within an hour: two machines that talk to each other end there
SPAN = 3600.0
_log = logging.getLogger(__name__)


async def handle(event: Event, service: Service) -> None:
    told = event.payload
    project = await service.store.read(projects.project, told["project"])
    if project is None or project.state != "active":
        return
    repository = service.github.repository(project.installation_id, project.id, project.full_name)
    if told.get("body"):
        await _write(told, service, repository)
    if told.get("comment") and told.get("reaction"):
        await react(repository, told["comment"], told["reaction"])


async def react(repository: Repository, comment: int, content: Literal["eyes", "rocket", "-1"]) -> None:
    """A decoration: what GitHub refuses of it stops nothing."""
    try:
        await repository.react(comment, content)
    except (GitHubDown, GitHubRefused) as error:
        _log.info("no %s on comment %s: %s", content, comment, error)


async def after_work(event: Event, service: Service, done: bool | None = None) -> None:
    """The work that a command asked for has ended: 🚀 or 👎, unless something newer took its place."""
    comment = event.payload.get("comment")
    if done is None:
        row = await service.store.read(deployments.of_delivery, event.guid)
        if row is None or row.state is State.CANCELLED:
            return
        done = row.state not in (State.FAILED, State.REFUSED)
    if comment:
        told = {"comment": comment, "reaction": "rocket" if done else "-1"}
        payload = event.payload
        await service.send(errands.answer(payload["project"], payload["number"], payload["ident"], **told))


async def _write(told: Mapping[str, Any], service: Service, repository: Repository) -> None:
    ident, number = told["ident"], told["number"]
    lane = f"{told['project']}#{number}"
    try:
        made, first = await service.store.write(commands.begin_answer, lane, ident, service.clock(), MOST, SPAN)
    except commands.TooMany:
        _log.warning("%s has been answered often enough for now", lane)
        return
    if made is None and not first:
        made = await repository.find_comment(number, answers(ident))
    if made is None:
        made = await repository.create_comment(number, told["body"])
    await service.store.write(commands.end_answer, lane, ident, made)
