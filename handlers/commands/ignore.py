"""Lets a finding of the scan pass in the whole project, for a time: `/ignore 3f9a1c0b --until=DATE --reason=words`."""

from __future__ import annotations

import datetime as dt
import re

from bot.policy import Role
from handlers.commands import finding
from handlers.commands.asked import Answer, Asked, Misused, Right

USAGE = "/ignore finding [commit] --until=2027-01-31 --reason=words"
LONGEST = dt.timedelta(days=366)
RIGHT = Right(Role.WRITE, people=True)

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


async def run(asked: Asked) -> Answer:
    what, *commit = asked.words(1, 2, USAGE)
    ident = finding.named(what)
    if ident is None:
        raise Misused(f"{what} is no finding's id: eight hexadecimal digits or more, from the check.", USAGE)
    reason = (asked.flag("reason") or "").strip()
    if not reason:
        raise Misused("It needs a reason: it stands in the books and beside the finding.", USAGE)
    now = asked.service.clock()
    until = ends(asked.flag("until") or "", now)
    if asked.pull.agent is not None and asked.actor.id == asked.pull.author_id:
        words = "An agent wrote this change under your name: somebody else has to look at it."
        after = "Ask somebody else with write permission, or mend it and push."
        return finding.no("author", "not_permitted", words, "the author of an agent's change", "somebody else", after)
    again = f'/ignore {ident} --until={asked.flag("until")} --reason="{reason}"'
    sha = await asked.looked_at(commit[0] if commit else None, again)
    if isinstance(sha, Answer):
        return sha
    one = await finding.found(asked, ident, sha)
    if isinstance(one, Answer):
        return one
    if one.grave and (asked.actor.id == asked.pull.author_id or await asked.role() < Role.MAINTAIN):
        words = "What gives access or is critical is ignored by a maintainer who did not write it."
        after = "Ask a maintainer, or mend it and push."
        return finding.no("role", "not_permitted", words, "not a maintainer, or the author", "a maintainer", after)
    words = f"{one.rule} in {one.path} is ignored until {asked.flag('until')}."
    return finding.word(asked, "ignore", one, sha, words, until - now)


def ends(text: str, now: float) -> float:
    """The end of that day, in UTC.  Raises Misused."""
    today = dt.datetime.fromtimestamp(now, dt.UTC).date()
    try:
        day = dt.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:  # the 30th of February
        day = None
    if day is None:
        raise Misused("Say until when: --until=YYYY-MM-DD, a year ahead at most.", USAGE)
    if day < today:
        raise Misused(f"{day} is over.", USAGE)
    if day - today > LONGEST:
        raise Misused(f"A finding is ignored for a year at most, until {today + LONGEST}.", USAGE)
    return dt.datetime.combine(day, dt.time.min, dt.UTC).timestamp() + 86_400
