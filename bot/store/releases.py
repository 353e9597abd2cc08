"""Row functions about environments and releases.  All take a session and run inside one write.

What an environment serves changes in `switch` alone: for the holder of the newest lease, from the generation it saw,
with routes, rows, hold, audit and the next deliveries in one transaction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from bot.audit import Entry
from bot.errands import Errand
from bot.models import Deployment, Display, Environment, PullRequest, Release, Stage
from bot.store import audit, deliveries, leaves, traffic
from bot.store.environments import Hold, Lease, No, barred, count_up, environment, lift, look, revoked, set_hold
from bot.store.rows import set_route
from runners.base import Traffic

GOOD = (Stage.VERIFIED, Stage.SUPERSEDED)  # may be returned to; what was VERIFIED stays so when it is replaced
GRACE_SECONDS = 0.3  # a comment that GitHub has, and shows, is known to us no later
SAMPLES_KEPT = 120


@dataclasses.dataclass(frozen=True, slots=True)
class Switch:
    """All that changes with one switch, besides the release itself."""

    lease: Lease
    routes: Mapping[str, Mapping[str, Any]]  # host -> Target.as_json()
    instance: Mapping[str, Any] | None
    entry: Entry
    errands: Sequence[tuple[Errand, float]] = ()  # with the time that each is due
    leaves: str | None = None  # what must serve until now; None: whatever does
    former: Stage | None = None  # what the one that served becomes; None: as a promotion leaves it
    failure: Mapping[str, Any] | None = None  # of the former
    hold: Hold | None = None
    asked_on: int | None = None  # the pull request that the command was written on
    lifted: frozenset[str] = frozenset()  # rules that do not stand in its way
    confirmed_by: int | None = None  # whose confirmation it uses up


def note_display(session: Session, deployment: Deployment, now: float) -> None:
    """GitHub has taken a comment that shows this deployment as live."""
    if deployment.number is None:
        return
    last = session.exec(_displays(deployment.project_id, deployment.number).limit(1)).first()
    if last is None or last.deployment != deployment.id:
        session.add(
            Display(
                project_id=deployment.project_id,
                number=deployment.number,
                deployment=deployment.id,
                sha=deployment.sha,
                at=now,
            )
        )


def displayed(
    session: Session, project_id: int, number: int, at: float, target: str | None = None
) -> Deployment | None:
    """What the comment showed just before that moment; the same moment counts as after.

    A comment may have been on its way then, seen by somebody before GitHub's answer had reached us.  It counts when
    nothing else had ever been shown, or when the command names it."""
    history = session.exec(_displays(project_id, number)).all()
    seen = [one for one in history if one.at < at]
    coming = [one for one in reversed(history) if at <= one.at < at + GRACE_SECONDS]
    if seen:
        named = (one for one in coming if target and len(target) >= 7 and one.sha.startswith(target.lower()))
        return session.get(Deployment, next(named, seen[0]).deployment)
    return session.get(Deployment, coming[0].deployment) if coming else None


def untold(session: Session, project_id: int, number: int) -> bool:
    """Whether GitHub is yet to be told something of this pull request."""
    pull = session.get(PullRequest, (project_id, number))
    return pull is not None and pull.told < pull.changes


def released(session: Session, project_id: int, name: str) -> list[Release]:
    """All that an environment ever served, the newest first."""
    query = select(Release).where(
        Release.project_id == project_id, Release.environment == name, col(Release.generation).is_not(None)
    )
    return list(session.exec(query.order_by(col(Release.generation).desc())))


def of_delivery(session: Session, guid: str) -> Release | None:
    return session.exec(select(Release).where(Release.delivery == guid)).first()


def get(session: Session, release: str) -> Release | None:
    return session.get(Release, release)


def begin(session: Session, release: Release) -> Release:
    """The release that a delivery asks for: made once.  A rollback takes over the instance that is still warm."""
    row = of_delivery(session, release.delivery)
    if row is not None:
        return row
    former = session.get(Release, release.of) if release.of else None
    if former is not None and former.instance is not None:
        release.instance, former.instance = former.instance, None
        session.add(former)
    session.add(release)
    changed(session, release)
    return release


def switch(session: Session, release: str, change: Switch, now: float) -> Release | No:
    """Lead the environment to this release.  Anything but a release: refused, and nothing was written."""
    row, lease = session.get_one(Release, release), change.lease
    env = environment(session, lease.project_id, lease.environment)
    no = _in_the_way(session, env, row, change, now)
    if no is not None:
        return no
    before = {"generation": env.generation, "release": env.release}
    former = session.get(Release, env.release) if env.release else None
    if former is not None:
        _replace(session, former, change, now)
    _turn(env, row, former, change, now)
    row.state, row.generation, row.live_at = Stage.VERIFYING, env.generation, now
    row.instance = dict(change.instance) if change.instance else None
    row.watch = {**(row.watch or {}), "n": 0, "samples": [], "before": traffic.usual(session, row, former)}
    for one in (env, row):
        session.add(one)
    for host, target in change.routes.items():
        set_route(session, host, row.id, target)
    if change.confirmed_by is not None and row.deployment is not None:
        leaves.used(session, row.project_id, row.environment, row.deployment, change.confirmed_by, now)
    _send(session, change.errands, now)
    after = {**change.entry.after, "generation": env.generation, "release": row.id, "hold": env.hold}
    audit.append(session, dataclasses.replace(change.entry, before=before, after=after))
    changed(session, row, *([former] if former else []), number=change.asked_on)
    return row


def _turn(env: Environment, row: Release, former: Release | None, change: Switch, now: float) -> None:
    env.generation, env.release = env.generation + 1, row.id
    env.lease_claim, env.lease_until = None, 0.0
    if change.hold is not None:
        set_hold(env, change.hold, former, now)
    elif row.kind == "promote" and "hold" not in change.lifted:
        lift(env)  # it was let through


def _in_the_way(session: Session, env: Environment, row: Release, change: Switch, now: float) -> No | None:
    """What has happened meanwhile that speaks against a switch."""
    if revoked(session, row.project_id, row.environment, row.artifact):
        return "revoked"
    lease = change.lease
    mine = (env.lease_claim, env.lease_fence, env.generation) == (lease.claim, lease.fence, lease.generation)
    if not mine or row.state is not Stage.RELEASING or change.leaves not in (None, env.release):
        return "overtaken"
    if row.kind != "promote":
        return None
    return barred(session, env, row.artifact, row.actor_id, now, change.lifted)


def note_command(session: Session, release: str, words: Mapping[str, Any], line: Entry | None = None) -> None:
    """How far the release command has come."""
    row = session.get_one(Release, release)
    told = row.watch or {}
    row.watch = {**told, "command": {**told.get("command", {}), **words}}
    session.add(row)
    if line is not None:
        audit.append(session, line)


def fail(session: Session, release: str, failure: Mapping[str, Any], entry: Entry, now: float) -> None:
    """It never served: what did is still there."""
    row = session.get_one(Release, release)
    if row.state is Stage.RELEASING:
        row.state, row.failure, row.ended_at = Stage.FAILED, dict(failure), now
        session.add(row)
        audit.append(session, entry)
        changed(session, row)


def abandon(session: Session, release: str, failure: Mapping[str, Any], now: float) -> None:
    """Its delivery has had its last try: it ends, and its lease with it."""
    row = session.get_one(Release, release)
    env = environment(session, row.project_id, row.environment)
    if env.lease_claim == row.delivery:
        env.lease_claim, env.lease_until = None, 0.0
        session.add(env)
    shas = {"head": row.sha}
    line = Entry(
        "release.failed",
        now,
        project_id=row.project_id,
        number=row.number,
        environment=row.environment,
        delivery=row.delivery,
        shas=shas,
        artifact=row.artifact,
        after={"reason_code": str(failure.get("reason_code"))},
    )
    fail(session, release, failure, line, now)


def measured(
    session: Session,
    release: str,
    n: int,
    sample: Sequence[Any],
    after: Sequence[tuple[Errand, float]],
    now: float,
    *,
    seen: Traffic | None = None,
) -> Release | None:
    """Note one look at a release that is watched, and send for the next.  None: it is not the watch's turn any more.

    `seen`: what visitors had met by then; None: as at the look before."""
    row = watched(session, release, n)
    if row is None:
        return None
    samples = [*(row.watch or {}).get("samples", []), list(sample)]
    row.watch = {**(row.watch or {}), "n": n + 1, "samples": samples[-SAMPLES_KEPT:]}
    if seen is not None:
        row.watch["seen"] = seen.as_json()
    session.add(row)
    _send(session, after, now)
    return row


def watched(session: Session, release: str, n: int) -> Release | None:
    """The release, when it serves, has no verdict and this is the look that is due."""
    row = session.get(Release, release)
    if row is None or row.state is not Stage.VERIFYING or (row.watch or {}).get("n") != n:
        return None
    env = session.get(Environment, (row.project_id, row.environment))
    return row if env is not None and env.release == row.id else None


def conclude(
    session: Session,
    release: str,
    stage: Stage,
    entry: Entry,
    now: float,
    *,
    failure: Mapping[str, Any] | None = None,
    hold: Hold | None = None,
    errands: Sequence[tuple[Errand, float]] = (),
) -> bool:
    """The watch's verdict on what serves.  False: it does not serve any more, or has one."""
    row = session.get_one(Release, release)
    env = environment(session, row.project_id, row.environment)
    if row.state is not Stage.VERIFYING or env.release != row.id:
        return False
    row.state, row.failure = stage, dict(failure) if failure else None
    if hold is not None and env.hold is None:  # a failed rollback leaves the hold as it is
        set_hold(env, hold, row, now)
        session.add(env)
    session.add(row)
    _send(session, errands, now)
    audit.append(session, entry)
    changed(session, row, *_before(session, row))
    return True


def _before(session: Session, row: Release) -> list[Release]:
    """What served until this release: whoever waits there wants to know how it went on."""
    query = select(Release).where(Release.project_id == row.project_id, Release.environment == row.environment)
    return list(session.exec(query.where(Release.generation == (row.generation or 0) - 1)))


def revived(
    session: Session, release: str, instance: Mapping[str, Any], routes: Mapping[str, Mapping[str, Any]]
) -> bool:
    """What serves has a new instance, because the one before stopped.  False: something else serves by now."""
    row = session.get_one(Release, release)
    env = session.get(Environment, (row.project_id, row.environment))
    if env is None or env.release != release:
        return False
    row.instance = dict(instance)
    if row.state is Stage.VERIFYING:
        row.watch = {**(row.watch or {}), "stops": (row.watch or {}).get("stops", 0) + 1}
    session.add(row)
    for host, target in routes.items():
        set_route(session, host, release, target)
    return True


def earlier(session: Session, project_id: int, name: str, current: Release | None) -> list[Release]:
    """Releases that may be returned to, the newest first; not what serves, under whichever number."""
    query = select(Release).where(
        Release.project_id == project_id,
        Release.environment == name,
        col(Release.state).in_((*GOOD, Stage.INCONCLUSIVE)),
        col(Release.generation).is_not(None),
    )
    rows = session.exec(query.order_by(col(Release.generation).desc())).all()
    return [row for row in rows if current is None or (row.id != current.id and row.artifact != current.artifact)]


def former(session: Session, project_id: int, name: str, *, verified_first: bool = False) -> Release | None:
    """Where a rollback without a target leads: the last good one; one that could not be measured comes last."""
    _env, current = look(session, project_id, name)
    rows = earlier(session, project_id, name, current)
    order = ((Stage.VERIFIED,), (Stage.SUPERSEDED,)) if verified_first else (GOOD, (Stage.INCONCLUSIVE,))
    return next((row for states in order for row in rows if row.state in states), None)


def idle(session: Session, project_id: int, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Take the instances from all releases that need none: (release, instance), for the caller to stop.

    What serves keeps its own, and while it is watched the one to return to does."""
    env, current = look(session, project_id, name)
    keep = {env.release}
    if current is not None and current.state is Stage.VERIFYING:
        for verified_first in (False, True):
            back = former(session, project_id, name, verified_first=verified_first)
            keep.add(back.id if back else None)
    query = select(Release).where(
        Release.project_id == project_id,
        Release.environment == name,
        Release.state != Stage.RELEASING,
        col(Release.live_at).is_not(None) | (col(Release.ended_at).is_not(None)),
    )
    taken = []
    for row in session.exec(query):
        if row.id not in keep and row.instance is not None:
            taken.append((row.id, row.instance))
            row.instance = None
            session.add(row)
    return taken


def serving(session: Session) -> list[Release]:
    """What every environment serves."""
    return list(session.exec(select(Release).join(Environment, col(Environment.release) == Release.id)))


def running(session: Session) -> set[str]:
    """Ids of instances that releases have, and of releases that are about to have one."""
    rows = session.exec(select(Release)).all()
    starting = {row.id for row in rows if row.state is Stage.RELEASING}
    return starting | {row.instance["id"] for row in rows if row.instance}


def verified_in(session: Session, project_id: int, artifact: str | None) -> frozenset[str]:
    """Environments where this very artifact was verified."""
    query = select(Release.environment).where(Release.project_id == project_id, Release.artifact == (artifact or ""))
    return frozenset(session.exec(query.where(Release.state == Stage.VERIFIED)))


def of_pull(session: Session, project_id: int, number: int) -> list[Release]:
    """Releases of what a pull request showed, the oldest first."""
    query = select(Release).where(Release.project_id == project_id, Release.number == number)
    return list(session.exec(query.order_by(col(Release.started_at))))


def with_serving(session: Session, project_id: int, number: int) -> list[tuple[Release, bool]]:
    """Releases of a pull request, and whether each is what serves."""
    current = {row.id for row in serving(session)}
    return [(row, row.id in current) for row in of_pull(session, project_id, number)]


def note(session: Session, release: str, fields: Mapping[str, Any]) -> None:
    """What GitHub was told of it."""
    row = session.get_one(Release, release)
    for field, value in fields.items():
        setattr(row, field, value)


def _send(session: Session, errands: Sequence[tuple[Errand, float]], now: float) -> None:
    for one, due in errands:
        deliveries.accept(session, one.guid, one.event, one.payload, one.order, now, source="clock", run_at=due)


def _replace(session: Session, former: Release, change: Switch, now: float) -> None:
    """What served until now, with what can be said of it."""
    former.ended_at = now
    if change.former is not None and former.state is not Stage.REVOKED:
        former.state, former.failure = change.former, dict(change.failure) if change.failure else former.failure
    elif former.state is Stage.VERIFYING:
        samples = (former.watch or {}).get("samples", [])
        ailing = bool(samples) and samples[-1][1] != "ok"
        former.state = Stage.INCONCLUSIVE if ailing else Stage.SUPERSEDED
    session.add(former)


def _displays(project_id: int, number: int) -> Any:
    rows = select(Display).where(Display.project_id == project_id, Display.number == number)
    return rows.order_by(col(Display.at).desc(), col(Display.id).desc())


def changed(session: Session, *rows: Release, number: int | None = None) -> None:
    """The pull requests of these releases have something to tell."""
    for project_id, pull in {(row.project_id, row.number) for row in rows} | {(rows[0].project_id, number)}:
        count_up(session, project_id, pull)
