"""GitHub's JSON, read into rows of our own: the one place that knows where a field lies.

Nothing here trusts the JSON: what a row can't do without raises Malformed, all else that is odd counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.agents import Commit
from bot.errors import SlipwayError
from bot.models import Installation, Project, PullRequest

_LARGEST_ID = 2**63 - 1  # what a database's BIGINT holds
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NAME = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9_.-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LONGEST = 1000  # characters of a text that is kept


class Malformed(SlipwayError):
    """A payload lacks what it must have; nothing can be done about it."""


def project_of(payload: Mapping[str, Any]) -> Project:
    """The repository that a delivery speaks of, under the installation that sent it."""
    installation = payload.get("installation")
    if not isinstance(installation, Mapping):
        raise Malformed("no installation: the delivery is not from a GitHub App")
    return repository_of(_map(payload, "repository"), number_of(installation, "id"))


def repository_of(raw: Mapping[str, Any], installation_id: int) -> Project:
    owner, name = text_of(_map(raw, "owner"), "login"), text_of(raw, "name")
    if not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
        raise Malformed("a repository without owner or name")
    return Project(
        id=number_of(raw, "id"),
        installation_id=installation_id,
        owner=owner,
        name=name,
        default_branch=text_of(raw, "default_branch") or "main",
        private=bool(raw.get("private", True)),
        state="archived" if raw.get("archived") else "active",
    )


def installation_of(payload: Mapping[str, Any]) -> Installation:
    """The installation of a delivery that is about it."""
    raw = _map(payload, "installation")
    account = raw.get("account")
    return Installation(
        id=number_of(raw, "id"), account=text_of(account, "login") if isinstance(account, Mapping) else ""
    )


def pull_of(raw: Mapping[str, Any], project_id: int) -> PullRequest:
    """A pull request object, from a delivery or from the API."""
    head, base = _map(raw, "head"), _map(raw, "base")
    author = raw.get("user")
    user: Mapping[str, Any] = author if isinstance(author, Mapping) else {}
    head_repo, sha, stamp = head.get("repo"), text_of(head, "sha"), text_of(raw, "updated_at")
    if not _SHA.fullmatch(sha):
        raise Malformed("a pull request without a head commit")
    merged = bool(raw.get("merged") or raw.get("merged_at"))
    return PullRequest(
        project_id=project_id,
        number=number_of(raw, "number"),
        title=text_of(raw, "title"),
        state="merged" if merged else "closed" if raw.get("state") == "closed" else "open",
        draft=bool(raw.get("draft")),
        fork=not isinstance(head_repo, Mapping) or head_repo.get("id") != project_id,
        head_sha=sha,
        head_ref=text_of(head, "ref"),
        base_ref=text_of(base, "ref"),
        author_id=_number(user.get("id")) or 0,
        author=text_of(user, "login"),
        author_is_bot=user.get("type") == "Bot",
        updated_at=stamp if _STAMP.fullmatch(stamp) else "",
    )


def commit_of(raw: Mapping[str, Any]) -> Commit:
    """A commit of the API, as far as it names who wrote it."""
    commit = raw.get("commit")
    inner: Mapping[str, Any] = commit if isinstance(commit, Mapping) else {}

    def email(who: str) -> str:
        person = inner.get(who)
        return str(person.get("email") or "") if isinstance(person, Mapping) else ""

    return Commit(email("author"), email("committer"), str(inner.get("message") or ""))


def text_of(raw: Mapping[str, Any], key: str) -> str:
    """A text that a database and GitHub take: no NUL, no half characters; empty when there is none."""
    value = raw.get(key)
    if not isinstance(value, str):
        return ""
    return value[:_LONGEST].replace("\0", "").encode("utf-8", "replace").decode()


def number_of(raw: Mapping[str, Any], key: str) -> int:
    """An id, or a pull request's number.  Raises Malformed."""
    value = _number(raw.get(key))
    if value is None:
        raise Malformed(f"{key} is no number")
    return value


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_ID else None


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise Malformed(f"no {key}")
    return value
