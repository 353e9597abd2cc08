"""What a delivery's payload says of order: which lane, what it replaces, who goes first.  No I/O.

Nothing here trusts the payload's shape: what is missing or odd counts as absent, and a delivery that says nothing
about itself waits in the lane of its event.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NewType

Packed = NewType("Packed", bytes)
"""A payload as it is kept: zlib over the JSON as it came."""

PEOPLE, BOTS, CLOSING = 0, 10, -10
_REPLACING = frozenset({"opened", "reopened", "synchronize", "closed"})
_BUILDING = frozenset({"opened", "reopened", "synchronize"})
_LARGEST_ID = 2**63 - 1  # what a database's BIGINT holds
_AT_ONCE = -5  # a person waits for the answer to a command
# Only where it has to wait: what the line really asks for is for `bot.slash` to say.
_COMMAND = re.compile(r"(?:[ \t]*\r?\n)*/(?:slipway[ \t]+)?([a-z][a-z-]{1,19})(?:[ \t]+([a-z][a-z0-9-]{0,39}))?(?!\S)")
# An agent's freeze is of no environment: it must not wait behind a release.
_OF_AGENT = re.compile(r'(?:[ \t]*\r?\n)*/(?:slipway +)?(?:un)?freeze(?: +--[a-z-]+=(?:"[^"\n]*"|[^\s"]*))* +"?agent:')
_OF_ENVIRONMENT = frozenset({"promote", "rollback", "hold", "unhold", "lock", "unlock", "freeze", "unfreeze"})
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class Order:
    """A delivery's place in the queue; the fields are those of `bot.models.Delivery`."""

    key: str
    topic: str | None = None
    heavy: bool = False
    priority: int = PEOPLE
    action: str = ""
    installation_id: int | None = None
    project_id: int | None = None
    stamp: str = ""


def route(event: str, payload: Mapping[str, Any]) -> Order:
    """The place of one of GitHub's deliveries.  Never raises: the payload may be anything."""
    action = _word(payload.get("action"))
    project = _id(payload, "repository", "id")
    installation = _id(payload, "installation", "id")
    key = _key(event, payload, project, installation)
    replaces = event == "pull_request" and action in _REPLACING and key != event
    builds = action in _BUILDING if event == "pull_request" else _is_rerequest(event, action)
    return Order(
        key=key,
        topic=f"{key}:refresh" if replaces else None,
        heavy=builds,
        priority=_priority(event, action, payload),
        action=action,
        installation_id=installation,
        project_id=project,
        stamp=_stamp(payload) if replaces else "",
    )


def pack(payload: bytes | Mapping[str, Any]) -> Packed:
    """What is kept of a payload: the JSON text as it came, or made of a mapping."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    return Packed(zlib.compress(raw, 1))


def unpack(body: bytes) -> dict[str, Any]:
    """The payload of `Delivery.body`; empty when the body has been purged."""
    return parse(zlib.decompress(body)) if body else {}


def parse(raw: bytes) -> dict[str, Any]:
    """JSON text as an object.  Raises ValueError for all that is no JSON object in UTF-8."""
    try:
        payload = json.loads(raw.decode(), parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(payload, dict):
        raise ValueError("the JSON is not an object")
    return payload


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _key(event: str, payload: Mapping[str, Any], project: int | None, installation: int | None) -> str:
    if event in ("installation", "installation_repositories") and installation is not None:
        return f"installation:{installation}"
    if project is None:
        return event
    if event in ("pull_request_review", "merge_group"):  # they only ask for the verdict again, and wait for no build
        return f"{project}:{event}"
    if event == "pull_request" or event.startswith("pull_request_"):
        number = _id(payload, "pull_request", "number") or _id(payload, "number")
        return f"{project}#{number}" if number else event
    if event == "issue_comment":
        return _lane_of_comment(payload, project)
    if event in ("check_run", "check_suite"):
        return _lane_of_check(event, payload, project)
    if event == "push" and _to_default(payload):
        return f"{project}:default"  # what it does to the policy waits for no fetch
    return str(project) if event in ("push", "repository", "delete") else event


def _lane_of_check(event: str, payload: Mapping[str, Any], project: int) -> str:
    action, sha = _word(payload.get("action")), _word(_at(payload, event, "head_sha"))
    if action == "requested_action":
        button = _word(_at(payload, "requested_action", "identifier"))
        of_environment = button in _OF_ENVIRONMENT
        return _lane_of_environment(project, "production", button) if of_environment else f"{project}@{sha}"
    if action != "rerequested":
        return event
    return f"{project}@{sha}" if sha else str(project)


def _to_default(payload: Mapping[str, Any]) -> bool:
    branch = _at(payload, "repository", "default_branch")
    return isinstance(branch, str) and payload.get("ref") == f"refs/heads/{branch}"


def _lane_of_comment(payload: Mapping[str, Any], project: int) -> str:
    """What is asked of an environment goes one at a time there, but the way back waits for nothing that starts; the
    rest never waits for a build."""
    body = _at(payload, "comment", "body")
    said = _COMMAND.match(body) if isinstance(body, str) and payload.get("action") == "created" else None
    if said and said[1] in _OF_ENVIRONMENT and not _OF_AGENT.match(body):
        return _lane_of_environment(project, said[2] or "production", said[1])
    number = _id(payload, "issue", "number")
    return f"{project}#{number}:command" if number else "issue_comment"


def _lane_of_environment(project: int, environment: str, verb: str) -> str:
    return f"{project}@{environment}{':rollback' if verb == 'rollback' else ''}"


def _is_rerequest(event: str, action: str) -> bool:
    return event in ("check_run", "check_suite") and action == "rerequested"


def _priority(event: str, action: str, payload: Mapping[str, Any]) -> int:
    if event == "pull_request" and action == "closed":
        return CLOSING
    authors = (_at(payload, "sender", "type"), _at(payload, "pull_request", "user", "type"))
    if "Bot" in authors:
        return BOTS
    asks = (event, action) in (("issue_comment", "created"), ("check_run", "requested_action"))
    return _AT_ONCE if asks else PEOPLE


def _stamp(payload: Mapping[str, Any]) -> str:
    stamp = _at(payload, "pull_request", "updated_at")
    return stamp if isinstance(stamp, str) and _STAMP.fullmatch(stamp) else ""


def _at(payload: Any, *path: str) -> Any:
    for name in path:
        payload = payload.get(name) if isinstance(payload, Mapping) else None
    return payload


def _id(payload: Mapping[str, Any], *path: str) -> int | None:
    value = _at(payload, *path)
    return value if type(value) is int and 0 < value <= _LARGEST_ID else None


def _word(value: Any) -> str:
    """A short printable name, or nothing: it becomes part of keys and labels."""
    return value if isinstance(value, str) and len(value) <= 64 and value.isascii() and value.isprintable() else ""
