"""The books: entries that nobody can change unseen.  Pure; `bot.store.audit` writes them.

    store.audit.append(session, Entry("preview.live", at=now, project_id=1, ...))

Each entry is hashed together with the one before it; signed checkpoints kept elsewhere show a cut tail.
"""

from bot.audit.chain import FIRST, Line, Problem, Row, link, verify
from bot.audit.checkpoint import BadAnchor, Checkpoint, public_key, read_anchor, sign
from bot.audit.entry import LONGEST, Actor, Entry, Ruling, Who, canonical
from bot.audit.export import as_json, statement

__all__ = [
    "FIRST",
    "LONGEST",
    "Actor",
    "BadAnchor",
    "Checkpoint",
    "Entry",
    "Line",
    "Problem",
    "Row",
    "Ruling",
    "Who",
    "as_json",
    "canonical",
    "link",
    "public_key",
    "read_anchor",
    "sign",
    "statement",
    "verify",
]
