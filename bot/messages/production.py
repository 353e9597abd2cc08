"""The words about production: a part of the sticky comment, and the line of GitHub's Deployment.  Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.messages import code, fenced, inline, late
from bot.models import Environment, Release, Stage
from bot.scanners.dependencies import Late

NAMED = 3  # migrations
LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_STANDS = {
    Stage.VERIFYING: "it is being watched",
    Stage.VERIFIED: "verified",
    Stage.INCONCLUSIVE: "it could not be measured",
    Stage.FAILED: "**it is failing**",
    Stage.REVOKED: "**it is revoked**",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Production:
    """What an environment serves, seen from one pull request that has something to do with it."""

    number: int
    environment: Environment
    current: Release | None
    mine: Release  # the newest release of what this pull request showed
    url: str
    late: Sequence[Late] = ()  # what became known of what serves, when it is of this pull request


def remote(release: Release, serves: bool) -> tuple[str, str]:
    """The state and the line (at most 140 characters) of GitHub's Deployment."""
    if release.state is Stage.RELEASING:
        return "in_progress", "Starting beside what serves"
    if release.state is Stage.FAILED:
        return "failure", " ".join(str((release.failure or {}).get("message", "It failed")).split())[:139]
    return ("success", f"Serves since {_at(release.live_at)}") if serves else ("inactive", "Something else serves now")


def block(seen: Production) -> str:
    """The part of the sticky comment."""
    parts = [_heading(seen), _destroys(seen), _page(seen), late.block(seen.late), _trouble(seen), _hold(seen)]
    return "\n\n".join(part for part in parts if part)


def twin(seen: Production) -> dict[str, Any]:
    """The same for machines."""
    env, current, mine = seen.environment, seen.current, seen.mine
    return {
        "environment": env.name,
        "url": seen.url,
        "generation": env.generation,
        "serving": current.sha if current else None,
        "release": mine.id,
        "state": mine.state.value,
        "reason_code": reason_code(seen),
        "hold": env.hold,
        "destroys": destroys(seen),
        "late": late.twin(seen.late),
    }


def destroys(seen: Production) -> list[str]:
    """What the migrations of what serves take away, compared with what served when it was promoted."""
    return list((seen.current.watch or {}).get("destroys", [])) if seen.current else []


def reason_code(seen: Production) -> str | None:
    """Why the release of this pull request is not what serves."""
    failure = seen.mine.failure or {}
    if seen.mine.state is Stage.ROLLED_BACK:
        return "rolled_back"
    return str(failure["reason_code"]) if failure.get("reason_code") else None


def _heading(seen: Production) -> str:
    current = seen.current
    if current is None:
        return ""
    of = "this pull request" if current.number == seen.number else f"#{current.number}"
    how = f" · rolled back to by {inline(current.actor_login, 60)}" if current.kind == "rollback" else ""
    stands = _STANDS.get(current.state, current.state.value)
    return f"🚀 **[Production]({seen.url})** serves `{current.sha[:7]}` of {of} · {stands}{how}."


def _destroys(seen: Production) -> str:
    """What a way back from here would have to do without."""
    told = destroys(seen)
    if not told:
        return ""
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    lines = "; ".join(inline(str(each), 200) for each in told[:NAMED])
    return f"🗄️ It carries migrations that destroy: {lines}{more}. A way back over them needs `--accept-schema`."


def _page(seen: Production) -> str:
    """What serves is failing and there is nothing good to go back to: somebody is called."""
    current = seen.current
    if current is None or not (current.failure or {}).get("paged"):
        return ""
    words = inline(str((current.failure or {}).get("message")), 600)
    return f"🚨 {_mention(current.actor_login)} production needs a person now: {words}"


def _trouble(seen: Production) -> str:
    mine, failure = seen.mine, seen.mine.failure or {}
    if mine.state is Stage.ROLLED_BACK:
        return f"↩️ `{mine.sha[:7]}` was rolled back."
    if mine.state is Stage.REVOKED:
        return _revoked(seen)
    if mine.state is not Stage.FAILED:
        return ""
    went = "failed and was rolled back" if mine.live_at and not failure.get("paged") else "failed"
    lines = [
        f"🔴 `{mine.sha[:7]}` {went} (`{reason_code(seen) or 'failed'}`): {inline(str(failure.get('message')), 600)}"
    ]
    if failure.get("samples"):
        lines.append(_samples(failure))
    if failure.get("log"):
        lines.append(f"<details><summary>The end of its log</summary>\n\n{fenced(str(failure['log']))}\n\n</details>")
    if failure.get("next"):
        lines.append(f"**Next:** {inline(str(failure['next']))}")
    return "\n\n".join(lines)


def _revoked(seen: Production) -> str:
    """It may serve all the same: production is never switched off."""
    mine, env, current = seen.mine, seen.environment.name, seen.current
    words = inline(str((mine.failure or {}).get("message")), 600)
    if current is None or current.state is not Stage.REVOKED or current.artifact != mine.artifact:
        return f"⛔ `{mine.sha[:7]}` never runs again. {words}"
    then = f"**Next:** `/rollback {env} --reason=words`, or update what is named, push, and promote that."
    return f"⛔ `{mine.sha[:7]}` is revoked: it serves until something else does, and never again. {words}\n\n{then}"


def _samples(failure: Mapping[str, Any]) -> str:
    """One line a look; a column about visitors when anybody came."""
    looks = [(at, word, _visitors(*more)) for at, word, *more in failure["samples"]]
    if not any(visitors for _at, _word, visitors in looks):
        rows = "\n".join(f"| {_at(at)} | {inline(str(word))} |" for at, word, _none in looks)
        return f"| looked at | answer |\n| --- | --- |\n{rows}"
    rows = "\n".join(f"| {_at(at)} | {inline(str(word))} | {visitors} |" for at, word, visitors in looks)
    before = _visitors((failure.get("figures") or {}).get("before") or {})
    usual = f"\n\nWhat served before: {before}." if before else ""
    return f"| looked at | answer | visitors so far |\n| --- | --- | --- |\n{rows}{usual}"


def _visitors(figures: Mapping[str, Any] | None = None) -> str:
    """What the router counted."""
    if not figures or not figures.get("requests"):
        return ""
    slow = f", p95 {figures['p95_ms']} ms" if "p95_ms" in figures else ""
    return f"{figures['failures']} of {figures['requests']} requests failed{slow}"


def _hold(seen: Production) -> str:
    env = seen.environment
    if env.hold is None:
        return ""
    lifts = "`/unhold production`" if env.hold_release is None else "Promote the fix, or `/unhold production`"
    by = f" by {inline(env.hold_by or '', 60)}" if env.hold_by else ""
    return f"⏸️ Production is held{by} since {_at(env.hold_at)}: {inline(env.hold, 300)}\n\n**Next:** {lifts}."


def _mention(login: str) -> str:
    """The one place where somebody is meant to be called."""
    return f"@{login}" if LOGIN.fullmatch(login) and login != "slipway" else code(login)


def _at(moment: float | None) -> str:
    return f"{dt.datetime.fromtimestamp(moment or 0, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
