"""Row functions about what must never run again."""

from __future__ import annotations

import dataclasses
from typing import Literal

from sqlmodel import Session, select

from bot import errands
from bot.audit import Entry
from bot.models import Release, Stage
from bot.store import audit, deliveries, releases
from bot.store.environments import look

Not = Literal["unknown", "several", "serves"]


def revoke(
    session: Session, project_id: int, name: str, target: str, words: str, line: Entry, now: float
) -> list[Release] | Not:
    """Mark all releases of what a target names, by artifact; those that were changed.

    One that is being released now is marked too, and its switch refused.  What serves can't be revoked: nothing would
    be left to serve.  An instance that is kept warm for a way back goes."""
    rows = list(session.exec(select(Release).where(Release.project_id == project_id, Release.environment == name)))
    artifacts = _meant(rows, target)
    if not isinstance(artifacts, set):
        return artifacts
    _env, current = look(session, project_id, name)
    if current is not None and current.artifact in artifacts:
        return "serves"
    changed = [row for row in rows if row.artifact in artifacts and row.state is not Stage.REVOKED]
    for artifact in sorted({row.artifact for row in changed}):
        _mark(session, [row for row in changed if row.artifact == artifact], words, line, now)
    if changed:
        errand = errands.settle(project_id, name, f"revoked:{line.delivery}")
        deliveries.accept(
            session, errand.guid, errand.event, errand.payload, errand.order, now, source="clock", run_at=0.0
        )
    return changed


def _meant(rows: list[Release], target: str) -> set[str] | Not:
    """The artifacts of the one commit, or the release, that a target names."""
    named = [row for row in rows if row.id == target or (len(target) >= 7 and row.sha.startswith(target.lower()))]
    if len({row.sha for row in named}) > 1:
        return "several"
    return {row.artifact for row in named} if named else "unknown"


def _mark(session: Session, rows: list[Release], words: str, line: Entry, now: float) -> None:
    """All releases of one artifact, with one line in the books."""
    before = {row.id: row.state.value for row in rows}
    for row in rows:
        row.failure = {**(row.failure or {}), "reason_code": "revoked", "message": words}
        row.state, row.ended_at = Stage.REVOKED, row.ended_at or now
        session.add(row)
        releases.changed(session, row, number=line.number)
    first = rows[0]
    shas = {"head": first.sha} | ({"tree": first.tree} if first.tree else {})
    said = {"releases": list(before), "reason": words}
    audit.append(
        session, dataclasses.replace(line, shas=shas, artifact=first.artifact, before={"states": before}, after=said)
    )
