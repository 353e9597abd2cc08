"""Row functions about scans: one row a head, its report, and what people said of its findings."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any, Literal

from sqlmodel import Session, col, select

from bot import errands
from bot.audit import Entry
from bot.messages.scan import told_secret
from bot.models import Deployment, LateFinding, Leave, Project, PullRequest, Scan
from bot.policy import Unknown
from bot.policy.change import SCANNING
from bot.policy.facts import Scanned
from bot.scanners.findings import Finding, Report, Severity
from bot.store import audit, deliveries, gates

Key = tuple[int, int, str]  # project, number, commit
STUCK, AGAIN = 86400.0, 600.0  # seconds for which, and after which, one is taken up again


def ask(
    session: Session, project_id: int, number: int, sha: str, reason: str, now: float, *, again: bool = False
) -> None:
    """Have a commit scanned.  What has ended with a report stays, unless somebody wants it `again`."""
    row = session.get(Scan, (project_id, number, sha))
    if row is not None and row.ended_at is not None:
        if not again and row.fault is None:
            return
        forget(session, (project_id, number, sha))
    elif row is None:
        session.add(Scan(project_id=project_id, number=number, sha=sha, asked_at=now))
        session.flush()
    deliveries.send(session, errands.scan(project_id, number, f"{sha}:{reason}"), now)


def ask_known(session: Session, project_id: int, number: int, sha: str, reason: str, now: float) -> None:
    """Scan a commit again that was scanned: it is compared with something else now."""
    if session.get(Scan, (project_id, number, sha)) is not None:
        ask(session, project_id, number, sha, reason, now, again=True)


def ask_stuck(session: Session, now: float) -> None:
    """Scans, and runs of their check, that no delivery is about any more: the one that was has failed for good."""
    alive = col(Scan.ended_at).is_(None) | col(Scan.check_id).is_not(None)
    query = select(Scan).join(Project, col(Project.id) == Scan.project_id).where(Project.state == "active")
    for row in session.exec(query.where(alive, col(Scan.asked_at) > now - STUCK)).all():
        one = errands.scan(row.project_id, row.number, f"stuck:{int(now // AGAIN)}")
        if not deliveries.busy(session, one.order.key):
            deliveries.send(session, one, now)


def get(session: Session, key: Key) -> Scan | None:
    return session.get(Scan, key)


def has_sbom(session: Session, key: Key) -> bool:
    """Whether `sbom` has one, without reading it."""
    where = (Scan.project_id == key[0], Scan.number == key[1], Scan.sha == key[2], col(Scan.sbom).is_not(None))
    return session.exec(select(Scan.sha).where(*where)).first() is not None


def sbom(session: Session, key: Key) -> bytes | None:
    """What a head depends on, CycloneDX as JSON; None: it was not scanned to the end (yet)."""
    kept = session.exec(
        select(Scan.sbom).where(Scan.project_id == key[0], Scan.number == key[1], Scan.sha == key[2])
    ).first()
    return zlib.decompress(kept) if kept is not None else None


def of_pull(session: Session, project_id: int, number: int) -> list[Scan]:
    """All scans of a pull request, oldest first."""
    query = select(Scan).where(Scan.project_id == project_id, Scan.number == number)
    return list(session.exec(query.order_by(col(Scan.asked_at))))


def note_secrets(session: Session, key: Key, report: Report, now: float) -> None:
    """The part that a preview waits for: what was found in the change's commits."""
    row = session.get_one(Scan, key)
    row.secrets = report.as_json()
    session.add(row)
    _take_down(session, key, now)


def _take_down(session: Session, key: Key, now: float) -> None:
    """A preview that is up already, because the scan was late."""
    pull, seen = session.get(PullRequest, key[:2]), leaked(session, key, now)
    shown = session.get(Deployment, pull.displayed) if pull is not None and pull.displayed else None
    if seen is None or shown is None or shown.sha != key[2] or shown.state.working or shown.state.ended:
        return
    shown.failure = told_secret(seen, key[2])
    session.add(shown)
    deliveries.send(session, errands.remove(key[0], key[1], f"secret:{key[2]}"), now)


def end(
    session: Session,
    key: Key,
    report: Report | None,
    now: float,
    *,
    base: str | None = None,
    fault: str | None = None,
    sbom: bytes | None = None,
) -> None:
    """The scan has ended, with a report or with why there is none.  The verdict at the head may turn on it."""
    row = session.get_one(Scan, key)
    row.report = report.as_json() if report is not None else None
    row.fault, row.base, row.ended_at = fault, base, now
    row.sbom = zlib.compress(sbom) if sbom is not None else None
    session.add(row)
    pull = session.get(PullRequest, key[:2])
    if pull is not None:
        pull.changes += 1
        session.add(pull)
    after: dict[str, Any] = {"fault": fault} if fault else {}
    if report is not None:
        after |= {"new": [one.id for one in report.counted()], "findings": len(report.findings)}
        after |= {"silent": [one.tool for one in report.faults]}
    entry = Entry("scan.ended", now, project_id=key[0], number=key[1], shas={"head": key[2]}, after=after)
    audit.append(session, entry)
    gates.ask(session, key[0], key[2], f"scan:{key[1]}:{round(now * 1_000_000)}", now)


def forget(session: Session, key: Key) -> None:
    """Scan it again from the start, under the same run of checks."""
    row = session.get_one(Scan, key)
    row.report = row.secrets = row.fault = row.ended_at = None
    session.add(row)


def opened(session: Session, key: Key, check_id: int) -> None:
    """GitHub shows a run that goes on."""
    row = session.get_one(Scan, key)
    row.check_id = check_id
    session.add(row)


def told(session: Session, key: Key, digest: str) -> None:
    """GitHub shows a run that has ended so; the next one is another."""
    row = session.get_one(Scan, key)
    row.check_id, row.told, row.run = None, digest, row.run + 1
    session.add(row)


# ---- what people said of findings


def excused(session: Session, project_id: int, number: int, sha: str, now: float) -> frozenset[str]:
    """Fingerprints that do not count at this head: acknowledged there, or ignored in the project for a time."""
    query = select(Leave).where(Leave.project_id == project_id, col(Leave.kind).in_(("ack", "ignore")))
    return frozenset(
        row.what
        for row in session.exec(query)
        if (row.until is None or row.until > now) and (row.kind == "ignore" or (row.number, row.sha) == (number, sha))
    )


def without(report: Report, excused: frozenset[str]) -> Report:
    """The report with what people excused marked as suppressed."""
    found = tuple(
        dataclasses.replace(one, suppressed="a person has looked at it")
        if one.suppressed is None and one.fingerprint in excused
        else one
        for one in report.findings
    )
    return dataclasses.replace(report, findings=found)


def report(session: Session, key: Key, now: float) -> Report | None:
    """What stands at a head now; None: there is no report (yet)."""
    row = session.get(Scan, key)
    if row is None or row.report is None:
        return None
    return without(Report.from_json(row.report), excused(session, *key, now))


def scanned(session: Session, key: Key, now: float) -> Scanned | Unknown | None:
    """For the rules: new findings that nothing excuses; None: nobody was asked to scan it."""
    row = session.get(Scan, key)
    if row is None:
        return None
    if row.fault is not None:
        return Unknown(row.fault)
    seen = report(session, key, now)
    if seen is None or row.ended_at is None:
        return Unknown(SCANNING)
    if seen.faults:
        names = ", ".join(f"{one.tool} ({one.fault})" for one in seen.faults)
        return Unknown(f"there is no report of {names}")
    return counts(seen, row.ended_at)


def counts(report: Report, at: float) -> Scanned:
    found = report.counted()
    steps = {step: sum(one.severity is step for one in found) for step in Severity}
    return Scanned(
        critical=steps[Severity.CRITICAL],
        high=steps[Severity.HIGH],
        medium=steps[Severity.MEDIUM],
        low=steps[Severity.LOW],
        secrets=sum(one.kind == "secret" for one in found),
        malware=sum(one.kind == "malware" for one in found),
        at=at,
    )


def pending(session: Session, key: Key) -> bool:
    """Whether somebody looks for secrets there just now."""
    row = session.get(Scan, key)
    return row is not None and row.secrets is None and row.ended_at is None


def leaked(session: Session, key: Key, now: float) -> Report | None:
    """The report on secrets, when the change brings one that gives access and that nobody has excused."""
    row = session.get(Scan, key)
    if row is None or row.secrets is None:
        return None
    seen = without(Report.from_json(row.secrets), excused(session, *key, now))
    return seen if any(_gives_access(one) for one in seen.counted()) else None


def _gives_access(one: Finding) -> bool:
    return one.kind == "secret" and one.severity is Severity.CRITICAL


def finding(session: Session, project_id: int, number: int, sha: str, id: str) -> Finding | Literal["several"] | None:  # noqa: A002
    """The finding at a head that people call by this id, or by at least eight characters of its beginning."""
    row = session.get(Scan, (project_id, number, sha))
    raw = (row.report or row.secrets) if row is not None else None
    if raw is None or len(id) < 8:
        return None
    here = (LateFinding.project_id == project_id, LateFinding.number == number, LateFinding.sha == sha)
    late = [Finding.from_json(one.finding) for one in session.exec(select(LateFinding).where(*here))]
    found: Sequence[Finding] = [one for one in (*Report.from_json(raw).findings, *late) if one.id.startswith(id)]
    exact = [one for one in found if one.id == id]
    if exact or len(found) == 1:
        return (exact or found)[0]
    return "several" if found else None
