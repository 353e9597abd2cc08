"""Commits were pushed: what they do to the policy holds at once, and what they hold is fetched ahead."""

from __future__ import annotations

import logging

from bot.errors import GitHubDown, GitHubRefused, SourceUnavailable
from bot.github.shapes import project_of, text_of
from bot.service import Event, Service
from bot.store import projects

_log = logging.getLogger(__name__)


async def handle(event: Event, service: Service) -> None:
    project, sha, ref = project_of(event.payload), text_of(event.payload, "after"), text_of(event.payload, "ref")
    if not ref.startswith("refs/heads/"):
        return
    gone = bool(event.payload.get("deleted")) or not sha.strip("0")
    if not gone:
        await service.store.write(projects.note_project, project, service.clock())
    if ref == f"refs/heads/{project.default_branch}":
        # Always, whatever the payload lists: its list is cut, and empty where somebody pushed with force.
        await service.policies.refresh(project, event.guid)
    if gone:
        return
    repository = service.github.repository(project.installation_id, project.id, project.full_name)
    try:
        token = await repository.git_token()
        await service.sources.fetch(project.id, project.full_name, sha, token, ref=ref)
    except (GitHubDown, GitHubRefused, SourceUnavailable) as error:
        _log.info("%s: %s was not fetched ahead: %s", project.full_name, sha[:7], error)
