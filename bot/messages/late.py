"""What is said of something that became known after a scan: the webhook's words, and lines of the comment.  Pure.

Summaries of advisories and names of packages are outside text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.messages import inline
from bot.messages.findings import named, plain
from bot.messages.money import spoken
from bot.scanners.dependencies import Late

SHOWN = 5  # advisories of one release
_AGAIN = "It is looked at again in the next night."


def alert(found: Sequence[Mapping[str, Any]], fault: str | None, project: str) -> dict[str, str]:
    """A webhook's body, as Slack and those who copy it take it.  `found` and `fault` are of a `bot.models.Night`."""
    name = spoken(project, 200)
    parts = [_release(one, name) for one in found]
    if fault is not None:
        parts.append(f"What {name} serves was not looked up: {spoken(fault, 400)}. {_AGAIN}")
    return {"text": "\n".join(parts)}


def _release(one: Mapping[str, Any], project: str) -> str:
    of = f" of #{one['number']}" if one["number"] else ""
    head = f"{spoken(one['environment'])} of {project} serves {one['sha'][:7]}{of}."
    late = one["late"]
    lines = [f"{spoken(each['rule'])}: {spoken(each['message'], 300)} {spoken(each['help'], 200)}" for each in late]
    more = [f"and {len(late) - SHOWN} more"] if len(late) > SHOWN else []
    told = "\n".join(f"- {line}" for line in (*lines[:SHOWN], *more))
    return f"{head} Known of it now, and not told by its scan:\n{told}\n{_then(one)}"


def _then(one: Mapping[str, Any]) -> str:
    fix = "update what is named, push, and promote that"
    if not one["revoked"]:
        return f"Next: {fix}."
    back = f"/rollback {one['environment']} --reason=words, or " if one["back"] else ""
    return f"It is revoked: it goes on serving, and never runs again afterwards. Next: {back}{fix}."


def block(late: Sequence[Late]) -> str:
    """For the sticky comment of the pull request that serves."""
    rows = [
        f"- {named(one.finding)} ({one.finding.severity.word}): "
        f"{inline(plain(one.finding.message, 300))} {inline(plain(one.finding.help, 200))}".rstrip()
        for one in late[:SHOWN]
    ]
    if len(late) > SHOWN:
        rows.append(f"- and {len(late) - SHOWN} more")
    return "\n".join(["⚠️ Known of what serves, and not told by its scan:", "", *rows]) if rows else ""


def twin(late: Sequence[Late]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {
            "id": one.finding.id,
            "rule": plain(one.finding.rule, 80),
            "severity": one.finding.severity.word,
            "kind": one.finding.kind,
            "since_scan": one.since,
        }
        for one in late[:SHOWN]
    ]
