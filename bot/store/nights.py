"""Row functions about what became known after a scan: found by a nightly look at what serves, or by a promotion."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot import errands
from bot.audit import Entry
from bot.errands import Errand
from bot.models import Delivery, LateFinding, Night, Project, Release, Scan
from bot.scanners.dependencies import Late
from bot.scanners.findings import Finding, Report
from bot.store import audit, releases, scans
from bot.store.revocation import revoke_known
from bot.store.scans import Key


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """What a head is made of, and what its scan said of it."""

    components: Mapping[str, Any]  # CycloneDX
    report: Report
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One release that serves, looked up again.  `revoke`: why it must never run again; None: it may."""

    release: Release
    late: Sequence[Late]
    line: Entry  # about what was found
    revoke: str | None = None


def due(session: Session, day: int) -> list[Errand]:
    """Looks of that night that nobody has asked for yet: of each project that serves something.

    Where nothing was ever scanned there is nothing to look up."""
    serving = {row.project_id for row in releases.serving(session)}
    scanned = set(session.exec(select(Scan.project_id).where(col(Scan.sbom).is_not(None)).distinct()))
    here = set(session.exec(select(Project.id).where(Project.state == "active")))
    asked = [errands.rescan(one, day) for one in sorted(serving & scanned & here)]
    sent = set(session.exec(select(Delivery.guid).where(col(Delivery.guid).in_([one.guid for one in asked]))))
    return [one for one in asked if one.guid not in sent]


def made(session: Session, project_id: int, day: int) -> bool:
    """Whether the look of that night has been made."""
    return session.get(Night, (project_id, day)) is not None


def serving(session: Session, project_id: int) -> list[Release]:
    return [row for row in releases.serving(session) if row.project_id == project_id]


def listed(session: Session, key: Key) -> Listed | None:
    """None: it was not scanned to the end."""
    row, kept = session.get(Scan, key), scans.sbom(session, key)
    if row is None or kept is None or row.report is None or row.ended_at is None:
        return None
    return Listed(json.loads(kept), Report.from_json(row.report), row.ended_at)


def note(session: Session, key: Key, late: Sequence[Late], now: float, day: int | None = None) -> list[Late]:
    """Keep what became known of a head; what no night has told of yet.

    What was known before its scan, and told of another head of the project, is not told again: it is in all of them."""
    fresh = []
    for one in late:
        row = session.get(LateFinding, (*key, one.finding.fingerprint))
        if row is None:
            row = LateFinding(
                project_id=key[0],
                number=key[1],
                sha=key[2],
                fingerprint=one.finding.fingerprint,
                finding=one.finding.as_json(),
                since=one.since,
                at=now,
            )
        if row.day is None and day is not None:
            if one.since or not _told(session, key[0], one.finding.fingerprint):
                fresh.append(one)
            row.day = day
        session.add(row)
    session.flush()
    return fresh


def _told(session: Session, project_id: int, fingerprint: str) -> bool:
    query = select(LateFinding.sha).where(
        LateFinding.project_id == project_id,
        LateFinding.fingerprint == fingerprint,
        col(LateFinding.day).is_not(None),
    )
    return session.exec(query.limit(1)).first() is not None


def end(session: Session, project_id: int, day: int, seen: Sequence[Seen], fault: str | None, now: float) -> None:
    """The look of one night: what it found, what it revoked, what people are to be told; all or nothing, once."""
    if made(session, project_id, day):
        return
    found: list[dict[str, Any]] = []
    for one in seen:
        row = session.get_one(Release, one.release.id)
        fresh = note(session, (project_id, row.number or 0, row.sha), one.late, now, day)
        gone = one.revoke is not None and revoke_known(session, row, one.revoke, _revoked(one.line), now)
        if not fresh and not gone:
            continue
        back = releases.former(session, project_id, row.environment)
        told = [{**late.finding.as_json(), "since": late.since} for late in fresh or (one.late if gone else ())]
        head = {"environment": row.environment, "sha": row.sha, "number": row.number, "revoked": gone}
        found.append({**head, "back": back is not None, "late": told})
        if fresh:
            after = {"ids": [late.finding.rule for late in fresh], "since": sum(late.since for late in fresh)}
            audit.append(session, dataclasses.replace(one.line, after=after))
        releases.changed(session, row)
    _close(session, project_id, day, found, fault, now)


def missed(session: Session, project_id: int, day: int, why: str, now: float) -> None:
    """Nothing could be looked up in that night."""
    if not made(session, project_id, day):
        _close(session, project_id, day, [], why, now)


def _close(
    session: Session, project_id: int, day: int, found: list[dict[str, Any]], fault: str | None, now: float
) -> None:
    last = session.exec(
        select(Night).where(Night.project_id == project_id).order_by(col(Night.day).desc()).limit(1)
    ).first()
    known = fault is None or (last is not None and last.fault == fault)  # said once, not every night
    quiet = not found and known
    told_at = now if quiet else None
    session.add(Night(project_id=project_id, day=day, at=now, found=found, fault=fault, told_at=told_at))
    if fault is not None and not known:
        audit.append(session, Entry("night.missed", now, project_id=project_id, after={"why": fault}))


def _revoked(line: Entry) -> Entry:
    return dataclasses.replace(line, what="release.revoked")


def late(session: Session, key: Key, now: float) -> list[Late]:
    """What became known of a head after its scan, as far as anybody has looked; without what somebody has excused."""
    query = select(LateFinding).where(
        LateFinding.project_id == key[0], LateFinding.number == key[1], LateFinding.sha == key[2]
    )
    every = [Late(Finding.from_json(row.finding), row.since) for row in session.exec(query)]
    counted = without(session, key, every, now)
    return sorted(counted, key=lambda one: (-one.finding.score, one.finding.rule, one.finding.message))


def without(session: Session, key: Key, every: Sequence[Late], now: float) -> list[Late]:
    """Those that no person's word excuses at this head."""
    excused = scans.excused(session, *key, now)
    return [one for one in every if one.finding.fingerprint not in excused]


def untold(session: Session) -> list[tuple[Night, Project]]:
    """What the webhook has not taken yet, oldest first."""
    query = select(Night).where(text("told_at IS NULL")).order_by(text("at")).limit(20)
    found = ((row, session.get(Project, row.project_id)) for row in session.exec(query).all())
    return [(row, project) for row, project in found if project is not None]


def told(session: Session, project_id: int, day: int, now: float) -> None:
    row = session.get_one(Night, (project_id, day))
    row.told_at = now
    session.add(row)
