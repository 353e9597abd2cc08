"""Row functions about environments: the lease on a switch, and what stands in the way of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from typing import Any, Literal

from sqlmodel import Session, col, func, select

from bot.audit import Entry
from bot.models import Environment, PullRequest, Release, Stage
from bot.store import audit

No = Literal["overtaken", "held", "locked", "frozen", "revoked"]


@dataclasses.dataclass(frozen=True, slots=True)
class Lease:
    """The right to switch an environment, as long as nobody has taken a newer one."""

    project_id: int
    environment: str
    claim: str
    fence: int
    generation: int  # of the environment when it was taken


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is promoted until somebody lifts it, or promotes something else than what was rolled back."""

    reason: str
    by: str


def environment(session: Session, project_id: int, name: str) -> Environment:
    """The environment's row, made when it is first asked for."""
    row = session.get(Environment, (project_id, name))
    if row is None:
        row = Environment(project_id=project_id, name=name)
        session.add(row)
    return row


def look(session: Session, project_id: int, name: str) -> tuple[Environment, Release | None]:
    """An environment and what it serves; only reads."""
    row = session.get(Environment, (project_id, name)) or Environment(project_id=project_id, name=name)
    return row, session.get(Release, row.release) if row.release else None


def standing_of(session: Session, project_id: int, name: str, artifact: str | None) -> tuple[Environment, bool]:
    """An environment, and whether its hold stands in the way of this artifact; only reads."""
    env, _current = look(session, project_id, name)
    return env, held(session, env, artifact)


def take(
    session: Session, project_id: int, name: str, claim: str, now: float, seconds: float, *, force: bool = False
) -> Lease | None:
    """The lease, unless another claim holds it.  The same claim takes it again: it was killed and goes on.

    `force`: a rollback waits for nobody; whoever held the lease can't switch any more."""
    row = environment(session, project_id, name)
    if row.lease_claim not in (None, claim) and row.lease_until > now and not force:
        return None
    row.lease_claim, row.lease_fence, row.lease_until = claim, row.lease_fence + 1, now + seconds
    session.add(row)
    return Lease(project_id, name, claim, row.lease_fence, row.generation)


def give_back(session: Session, lease: Lease) -> bool:
    """End the lease; one that somebody has taken since stays theirs."""
    row = environment(session, lease.project_id, lease.environment)
    if (row.lease_claim, row.lease_fence) != (lease.claim, lease.fence):
        return False
    row.lease_claim, row.lease_until = None, 0.0
    session.add(row)
    return True


def barred(
    session: Session, env: Environment, artifact: str, actor: int, now: float, lifted: Collection[str] = ()
) -> No | None:
    """Why nothing may be promoted into an environment now.  A rollback asks for none of it.

    `lifted`: rules that somebody with the right has lifted for what comes."""
    if "hold" not in lifted and held(session, env, artifact):
        return "held"
    locked = env.lock_by is not None and env.lock_by != actor and (env.lock_until or 0) > now
    if locked and "lock" not in lifted:
        return "locked"
    return "frozen" if (env.freeze_until or 0) > now and "freeze" not in lifted else None


def revoked(session: Session, project_id: int, name: str, artifact: str) -> bool:
    """Whether somebody has said that it must never run there again."""
    query = select(Release.id).where(
        Release.project_id == project_id,
        Release.environment == name,
        Release.artifact == artifact,
        Release.state == Stage.REVOKED,
    )
    return session.exec(query).first() is not None


def arrange(
    session: Session, project_id: int, name: str, number: int | None, change: Callable[[Environment], None], line: Entry
) -> None:
    """Change how an environment may be used: a hold, a lock, a freeze."""
    env = environment(session, project_id, name)
    before = _arranged(env)
    change(env)
    session.add(env)
    audit.append(session, dataclasses.replace(line, before=before, after=_arranged(env)))
    current = session.get(Release, env.release) if env.release else None
    for pull in {number, current.number if current else None}:
        count_up(session, project_id, pull)


def _arranged(env: Environment) -> dict[str, Any]:
    frozen, locked = int(env.freeze_until or 0), int(env.lock_until or 0)
    return {"hold": env.hold, "locked_by": env.lock_by, "locked_until": locked, "frozen_until": frozen}


def held(session: Session, env: Environment, artifact: str | None) -> bool:
    """The hold of a rollback lets everything through but what was rolled back; a person's lets nothing through."""
    undone = session.get(Release, env.hold_release) if env.hold_release else None
    return env.hold is not None and (undone is None or undone.artifact == artifact)


def set_hold(env: Environment, hold: Hold, undone: Release | None, now: float) -> None:
    """One that a person has set is stricter, and stays."""
    if env.hold is None or env.hold_release is not None:
        env.hold, env.hold_by, env.hold_at = hold.reason, hold.by, now
        env.hold_release = undone.id if undone else None


def lift(env: Environment) -> None:
    env.hold = env.hold_by = env.hold_at = env.hold_release = None


def count_up(session: Session, project_id: int, number: int | None) -> None:
    row = session.get(PullRequest, (project_id, number)) if number is not None else None
    if row is not None:
        row.changes += 1
        session.add(row)


def went_back(session: Session, project_id: int, name: str, since: float) -> int:
    """How often the watch has gone back there by itself since then."""
    query = select(func.count()).select_from(Release).where(Release.project_id == project_id)
    mine = query.where(Release.environment == name, Release.kind == "rollback", Release.actor_id == 0)
    return session.exec(mine.where(col(Release.live_at) >= since)).one()
