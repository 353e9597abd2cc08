"""Whether one can go back: what a release may have done to its database that older code can't live with.  Pure.

Compared is what the two trees carry.  Nobody knows what really ran: a destructive migration counts as run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.models import Deployment, Release
from bot.policy import Objection
from bot.releases.ask import Ask, Outcome
from bot.releases.ground import objected
from runners.base import Migration

NAMED = 3  # migrations that words name
KEPT = 20  # that rows and books name


def destructive(later: Release | Deployment, earlier: Release | None) -> tuple[Migration, ...]:
    """What `later` carries that destroys and `earlier` does not know: neither by that name nor with that content.

    Nothing where it was not looked for migrations: releases made before there was this."""
    mine, theirs = _carried(later), _carried(earlier) if earlier is not None else None
    if mine is None or theirs is None:
        return ()
    known = {(one.name, one.digest) for one in theirs}
    return tuple(one for one in mine if one.destroys and (one.name, one.digest) not in known)


def told(lost: Iterable[Migration]) -> list[str]:
    """For rows and books."""
    return [f"{one.name}: {one.destroys}" for one in lost][:KEPT]


def words(told: list[str]) -> str:
    """For people."""
    more = f", and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"{'; '.join(told[:NAMED])}{more}"


def warning(told: list[str]) -> str:
    """What follows the words of a promotion."""
    if not told:
        return ""
    return f" It carries migrations that destroy ({words(told)}): a way back over them needs --accept-schema."


def guard(ask: Ask, serves: Release, back: Release) -> Outcome | None:
    """Why nobody goes back that far without saying that they know; None: nothing is in the way."""
    lost = told(destructive(serves, back))
    if not lost or ask.accept_schema:
        return None
    say = (
        f"`{serves.sha[:7]}` carries migrations that destroy what `{back.sha[:7]}` may need: {words(lost)}. "
        "If that can't be undone in the database, fix it forward; to go back all the same, accept it."
    )
    name = lost[0].partition(": ")[0]
    again = f"/rollback {back.environment} {back.sha[:7]}{_reason(ask)} --accept-schema"
    return objected((Objection("schema", "schema_guard", say, name, "--accept-schema", again),))


def _carried(release: Release | Deployment) -> list[Migration] | None:
    raw = (release.plan or {}).get("migrations")
    return None if raw is None else [Migration.from_json(one) for one in raw]


def _reason(ask: Ask) -> str:
    """Their reason as they may write it again."""
    if ask.actor.how == "clock":
        return " --reason=words"
    said = " ".join(re.sub(r'[^ -~]|["`]', " ", ask.reason or "").split())[:200]
    if not said:
        return ""
    return f" --reason={said}" if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@+,=-]*", said) else f' --reason="{said}"'
