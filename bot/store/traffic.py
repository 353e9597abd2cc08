"""Row functions about what the router saw.  Counters only grow, through restarts too, for as long as there is a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, delete, func, select

from bot import models
from bot.models import Release, Route
from runners.base import Traffic

RECENT_SECONDS = 300.0  # at least so far back goes what is recent, and at most twice as far
KEPT_SECONDS = 7 * 86400.0  # after its last request, for whoever bills or compares


def add(session: Session, counted: Mapping[str, Traffic], now: float) -> None:
    """What a router counted since it last told, by deployment."""
    for deployment, more in counted.items():
        row = session.get(models.Traffic, deployment) or models.Traffic(deployment=deployment)
        so_far = _of(row)
        if not row.marks or now - row.marks[-1][0] >= RECENT_SECONDS:
            row.marks = [*row.marks[-1:], [now, so_far.as_json()]]
        total = so_far + more
        row.requests, row.failures, row.bytes_out = total.requests, total.failures, total.bytes_out
        row.latency, row.updated_at = list(total.latency), now
        session.add(row)


def of(session: Session, deployment: str) -> Traffic:
    """All that was counted of a deployment, or of a release; zeros when nobody came."""
    row = session.get(models.Traffic, deployment)
    return _of(row) if row is not None else Traffic()


def sent(session: Session) -> Mapping[str, int]:
    """Bytes that went out so far, of each deployment and release."""
    rows = session.exec(select(models.Traffic.deployment, models.Traffic.bytes_out))
    return dict(rows.all())


def recent(session: Session, deployment: str) -> Traffic:
    """What was counted in the last five to ten minutes in which anybody came."""
    row = session.get(models.Traffic, deployment)
    return _of(row) - Traffic.from_json(row.marks[0][1]) if row is not None and row.marks else Traffic()


def usual(session: Session, row: Release, former: Release | None) -> dict[str, Any] | None:
    """What visitors met before this release (`Traffic.as_json()`), to compare with: the former's last window.

    It is kept with the former.  What is rolled back to is compared with itself, as it was when it served: what is
    left has failed."""
    if former is not None:
        former.watch = {**(former.watch or {}), "traffic": recent(session, former.id).as_json()}
        session.add(former)
    compared = session.get(Release, row.of) if row.of else former
    return (compared.watch or {}).get("traffic") if compared is not None else None


def forget(session: Session, now: float) -> None:
    """Remove what was counted of deployments that no address leads to any more."""
    routed = select(Route.deployment).where(func.json_type(Route.target) == "object")  # what is dropped is JSON's null
    gone = col(models.Traffic.deployment).not_in(routed) & (col(models.Traffic.updated_at) < now - KEPT_SECONDS)
    session.execute(delete(models.Traffic).where(gone))


def _of(row: models.Traffic) -> Traffic:
    return Traffic(row.requests, row.failures, row.bytes_out, tuple(row.latency))
