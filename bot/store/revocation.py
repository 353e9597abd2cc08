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
    return _marked(session, rows, artifacts, words, line, now)


def revoke_known(session: Session, release: Release, words: str, line: Entry, now: float) -> bool:
    """Mark all releases of an artifact of which something bad became known, also while it serves: it stays up until
    something else is released, for production is never switched off.  False: they were marked before, or it is being
    watched, which has to end first."""
    project_id, name = release.project_id, release.environment
    _env, current = look(session, project_id, name)
    if current is not None and current.artifact == release.artifact and current.state is Stage.VERIFYING:
        return False
    rows = list(session.exec(select(Release).where(Release.project_id == project_id, Release.environment == name)))
    return bool(_marked(session, rows, {release.artifact}, words, line, now))


def _marked(
    session: Session, rows: list[Release], artifacts: set[str], words: str, line: Entry, now: float
) -> list[Release]:
    """Those of the releases of one environment that were marked now; what kept them warm goes."""
    changed = [row for row in rows if row.artifact in artifacts and row.state is not Stage.REVOKED]
    for artifact in sorted({row.artifact for row in changed}):
        _mark(session, [row for row in changed if row.artifact == artifact], words, line, now)
    if changed:
        first = changed[0]
        errand = errands.settle(first.project_id, first.environment, f"revoked:{line.delivery}")
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
    serves = look(session, rows[0].project_id, rows[0].environment)[0].release
    for row in rows:
        row.failure = {**(row.failure or {}), "reason_code": "revoked", "message": words}
        row.state, row.ended_at = Stage.REVOKED, row.ended_at or (None if row.id == serves else now)
        session.add(row)
        releases.changed(session, row, number=line.number)
    first = rows[0]
    shas = {"head": first.sha} | ({"tree": first.tree} if first.tree else {})
    said = {"releases": list(before), "reason": words}
    audit.append(
        session, dataclasses.replace(line, shas=shas, artifact=first.artifact, before={"states": before}, after=said)
    )
