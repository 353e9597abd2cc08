"""Thresholds of limits that are reached: written down once in each period, then told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import text
from sqlmodel import Session, select

from bot.audit import Entry
from bot.budgets import FORECAST, Limit, Scope, Standing
from bot.models import Alert, PullRequest, Reservation
from bot.store import audit
from bot.store.budgets.sums import standings


def note(
    session: Session, scopes: Sequence[Scope], limits: Sequence[Limit], project_id: int, now: float
) -> list[Alert]:
    """Write down what is reached for the first time in its period.  Returns what is new and worth telling.

    Of several thresholds that are passed at once, only the highest is told."""
    found = []
    for standing in standings(session, scopes, limits, now, keep=True):
        fresh = [one for one in _reached(standing, project_id, now) if session.get(Alert, _key(one)) is None]
        for one in fresh:
            one.told_at = None if one is fresh[-1] else now
            session.add(one)
        if fresh:
            _tell(session, standing, fresh[-1])
            found.append(fresh[-1])
    return found


def untold(session: Session) -> list[Alert]:
    """What the webhook has not taken yet, oldest first."""
    return list(session.exec(select(Alert).where(text("told_at IS NULL")).order_by(text("at")).limit(20)))


def told(session: Session, alerts: Sequence[Alert], now: float) -> None:
    for one in alerts:
        row = session.get(Alert, _key(one))
        if row is not None:
            row.told_at = now
            session.add(row)


def _reached(standing: Standing, project_id: int, now: float) -> Iterator[Alert]:
    """The forecast first: it says less than a threshold that is reached."""
    runs_out, when = standing.runs_out(now), standing.period
    for threshold in ([FORECAST] if runs_out is not None else []) + list(standing.crossed()):
        yield Alert(
            scope=str(standing.scope),
            span=when.span,
            zone=when.zone,
            start=when.start,
            threshold=threshold,
            project_id=project_id,
            label=standing.scope.label,
            limit_micro=standing.limit.limit_micro,
            spent=standing.spent,
            runs_out=runs_out,
            at=now,
        )


def _tell(session: Session, standing: Standing, row: Alert) -> None:
    """In the books, and on the pull requests whose work is under way in that scope: their comments say it."""
    after = {"scope": row.scope, "period": row.span, "threshold": row.threshold}
    money = {"spent": row.spent, "limit": row.limit_micro}
    audit.append(session, Entry("budget.alert", row.at, project_id=row.project_id, money=money, after=after))
    under_way = session.exec(select(Reservation).where(text("state = 'open'"))).all()
    pulls = {one for work in under_way if row.scope in work.scopes for one in work.scopes if one.startswith("pull:")}
    for one in pulls:
        project, _, number = one.removeprefix("pull:").partition("#")
        pull = session.get(PullRequest, (int(project), int(number)))
        if pull is not None:
            pull.changes += 1
            session.add(pull)


def _key(one: Alert) -> tuple[str, str, str, float, int]:
    return one.scope, one.span, one.zone, one.start, one.threshold
