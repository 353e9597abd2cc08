"""GitHub's JSON, read into rows of our own: the one place that knows where a field lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.errors import SlipwayError
from bot.models import Project, PullRequest

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Malformed(SlipwayError):
    """A payload lacks what it must have; nothing can be done about it."""


def project_of(payload: Mapping[str, Any]) -> Project:
    """The repository that a delivery speaks of, under the installation that sent it."""
    installation = payload.get("installation")
    if not isinstance(installation, Mapping):
        raise Malformed("no installation: the delivery is not from a GitHub App")
    return repository_of(_map(payload, "repository"), _int(installation, "id"))


def repository_of(raw: Mapping[str, Any], installation_id: int) -> Project:
    owner, name = str(_map(raw, "owner").get("login") or ""), str(raw.get("name") or "")
    if not owner or not name:
        raise Malformed("a repository without owner or name")
    return Project(
        id=_int(raw, "id"),
        installation_id=installation_id,
        owner=owner,
        name=name,
        default_branch=str(raw.get("default_branch") or "main"),
        private=bool(raw.get("private", True)),
        state="archived" if raw.get("archived") else "active",
    )


def pull_of(raw: Mapping[str, Any], project_id: int) -> PullRequest:
    """A pull request object, from a delivery or from the API."""
    head, base = _map(raw, "head"), _map(raw, "base")
    sha, home = str(head.get("sha") or ""), head.get("repo")
    if not _COMMIT.fullmatch(sha):
        raise Malformed("a pull request without a head commit")
    return PullRequest(
        project_id=project_id,
        number=_int(raw, "number"),
        title=str(raw.get("title") or ""),
        state=_state(raw),
        draft=bool(raw.get("draft")),
        fork=not isinstance(home, Mapping) or home.get("id") != project_id,
        head_sha=sha,
        head_ref=str(head.get("ref") or ""),
        base_ref=str(base.get("ref") or ""),
        updated_at=str(raw.get("updated_at") or ""),
        **_author(raw.get("user")),
    )


def _state(raw: Mapping[str, Any]) -> str:
    if raw.get("merged") or raw.get("merged_at"):
        return "merged"
    return "closed" if raw.get("state") == "closed" else "open"


def _author(user: object) -> dict[str, Any]:
    """GitHub says null for an account that was deleted."""
    if not isinstance(user, Mapping):
        return {}
    number = user.get("id")
    return {
        "author_id": number if isinstance(number, int) else 0,
        "author": str(user.get("login") or ""),
        "author_is_bot": user.get("type") == "Bot",
    }


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise Malformed(f"no {key}")
    return value


def _int(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"{key} is no number")
    return value
