"""What `/ack` and `/ignore` say of one finding: which one is meant, and a person's word about it in the books."""

from __future__ import annotations

import dataclasses
import re

from bot import errands
from bot.policy import Objection
from bot.scanners.findings import Finding
from bot.store import scans
from handlers.commands.asked import Answer, Asked

_ID = re.compile(r"[0-9a-f]{8,16}|[0-9a-f]{16}-[0-9]{1,6}")


def named(word: str) -> str | None:
    """The id of a finding, or its beginning; None: it can be none."""
    lower = word.lower()
    return lower if _ID.fullmatch(lower) else None


async def found(asked: Asked, ident: str, sha: str) -> Finding | Answer:
    """The finding of that id at the commit."""
    one = await asked.service.store.read(scans.finding, asked.project.id, asked.pull.number, sha, ident)
    if isinstance(one, Finding):
        return one
    if one is None:
        words, actual = f"The scan of {sha[:7]} has no finding {ident}.", "none"
        required, after = "one of its findings", "The check slipway/scan lists them with their ids."
    else:
        words, actual = f"Several findings of {sha[:7]} begin with {ident}.", "several"
        required, after = "one", "Write the whole id, as the check slipway/scan has it."
    return no("finding", "unknown_finding", words, actual, required, after)


def word(asked: Asked, kind: str, one: Finding, sha: str, words: str, seconds: float | None = None) -> Answer:
    """A person's word about a finding; the check is told anew, in the same transaction."""
    answer = asked.leave(kind, one.fingerprint, sha, words, seconds)
    again = errands.scan(asked.project.id, asked.pull.number, f"{sha}:{asked.ident}")
    return dataclasses.replace(answer, errands=(again,))


def no(rule: str, reason_code: str, words: str, actual: str, required: str, after: str) -> Answer:
    """A refusal with its rule."""
    objection = Objection(rule, reason_code, words, actual, required, after, "person")
    return Answer(False, None, words, reason_code, (objection,), after)
