"""Whatever the required check may turn on: it is asked again."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from bot.errors import GitHubRefused
from bot.github.shapes import project_of, text_of
from bot.policy.change import PREVIEW, VERDICTS
from bot.service import Event, Service
from bot.store import gates, projects
from handlers.policy import GONE

_log = logging.getLogger(__name__)
# refs/heads/gh-readonly-queue/<base>/pr-<number>-<commit of the base>
_QUEUED = re.compile(r"(?:refs/heads/)?gh-readonly-queue/.+/pr-([1-9][0-9]{0,8})-[0-9a-f]{40,64}")


async def judge(event: Event, service: Service) -> None:
    try:
        await service.gates.judge(event.payload["project"], event.payload["sha"])
    except GitHubRefused as error:
        if error.status not in GONE:
            raise
        _log.info("nothing to decide about %s any more: %s", event.payload["sha"][:7], error)


async def review(event: Event, service: Service) -> None:
    """A review was given, changed or dismissed."""
    pull = _map(event.payload, "pull_request")
    sha = text_of(_map(pull, "head"), "sha")
    await _ask(event, service, sha)


async def merge_group(event: Event, service: Service) -> None:
    """GitHub wants to merge a group of its queue, or gave it up."""
    group = _map(event.payload, "merge_group")
    sha, base = text_of(group, "head_sha"), text_of(group, "base_sha")
    project = project_of(event.payload)
    if event.action == "destroyed":
        await service.store.write(gates.drop_group, project.id, sha, service.clock())
    if event.action != "checks_requested" or not sha:
        return
    await service.store.write(projects.note_project, project, service.clock())
    found = _QUEUED.fullmatch(text_of(group, "head_ref"))
    number = int(found[1]) if found else None
    await service.store.write(gates.note_group, project.id, sha, number, base, service.clock())


async def checked(event: Event, service: Service) -> None:
    """A check began or ended: perhaps the one that was waited for.

    What ours say is in the books, which ask by themselves."""
    check, project = _map(event.payload, "check_run"), project_of(event.payload)
    sha, name, ended = text_of(check, "head_sha"), check.get("name"), event.action == "completed"
    ours = _map(check, "app").get("id") == await service.github.app_id()
    if not (ours and (name == PREVIEW or name in VERDICTS)):
        await service.store.write(gates.ask_of_check, project.id, sha, event.guid, service.clock(), ended=ended)


async def rerequested(event: Event, service: Service, sha: str) -> None:
    """Somebody wants to have the verdict again."""
    await _ask(event, service, sha)


async def _ask(event: Event, service: Service, sha: str) -> None:
    project = project_of(event.payload)
    await service.store.write(gates.ask_known, project.id, sha, event.guid, service.clock())


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}
