"""Row functions about decisions: each verdict with what it was made of, the latest of a project."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, delete, select

from bot.models import Decision
from bot.policy import Facts, Rule, judge
from bot.policy.record import as_json, recorded, table

KEPT = 200  # of a project


def note(
    session: Session,
    facts: Facts,
    rules: Sequence[Rule],
    *,
    project_id: int,
    number: int | None,
    kind: str,
    now: float,
) -> Decision:
    """Keep a verdict; `kind`: "promote" or "gate".  The same one twice in a row is kept once."""
    rows = table(facts, rules)
    codes = list(dict.fromkeys(one.reason_code for one in judge(facts, rules)))
    decision = Decision(
        at=now,
        project_id=project_id,
        number=number,
        environment=facts.environment,
        kind=kind,
        facts=recorded(facts),
        policy_digest=facts.policy.digest,
        allowed=not codes,
        codes=codes,
        rulings=[as_json(row) for row in rows],
    )
    last = session.exec(
        select(Decision)
        .where(Decision.project_id == project_id, Decision.number == number, Decision.kind == kind)
        .order_by(col(Decision.id).desc())
        .limit(1)
    ).first()
    if last is not None and _same(last, decision):
        return last
    session.add(decision)
    session.flush()
    mine = select(Decision.id).where(Decision.project_id == project_id).order_by(col(Decision.id).desc())
    oldest = session.exec(mine.offset(KEPT).limit(1)).first()
    if oldest is not None:
        session.execute(delete(Decision).where(col(Decision.project_id) == project_id, col(Decision.id) <= oldest))
    return decision


def _same(one: Decision, other: Decision) -> bool:
    """All but when it was."""
    facts = [{**row.facts, "now": None} for row in (one, other)]
    return facts[0] == facts[1] and (one.policy_digest, one.rulings) == (other.policy_digest, other.rulings)


def latest(session: Session, project_id: int, count: int) -> Sequence[Decision]:
    """The newest of a project, newest first."""
    query = select(Decision).where(Decision.project_id == project_id).order_by(col(Decision.id).desc())
    return session.exec(query.limit(count)).all()


def of_pull(session: Session, project_id: int, number: int) -> Decision | None:
    """The newest about a pull request."""
    query = select(Decision).where(Decision.project_id == project_id, Decision.number == number)
    return session.exec(query.order_by(col(Decision.id).desc()).limit(1)).first()
