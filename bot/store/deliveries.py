"""The queue: functions on the `delivery` table.  All times are Unix seconds.

Each claim has an attempt number, and only the claim that is current can end its delivery.  States are written out in
the SQL, because the partial indexes are found by them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Session, col, delete, func, select, update

from bot.deliveries import Order, Packed, pack
from bot.errands import Errand, again
from bot.models import Delivery, Work

RETRIES = (2.0, 8.0, 30.0)  # seconds until a failed delivery is tried again; then it has failed
LAG = 3.0  # seconds until GitHub surely answers with what it told us of

Apply = Callable[[Session], None]

# A lane's head: the oldest that is due or has been tried.  One that is not due yet holds nobody up; one that waits
# for its retry does, or what came later would be overtaken by what it was meant to follow.
_HEADS = text(
    """
    SELECT id FROM delivery AS d
    WHERE state = 'queued' AND run_at <= :now AND heavy = :heavy
      AND NOT EXISTS (SELECT 1 FROM delivery AS r WHERE r.key = d.key AND r.state = 'running')
      AND NOT EXISTS (SELECT 1 FROM delivery AS e WHERE e.key = d.key AND e.state = 'queued' AND e.id < d.id
                      AND (e.run_at <= :now OR e.attempt > 0))
    ORDER BY priority, id LIMIT :free
    """
)


def accept(
    session: Session,
    guid: str,
    event: str,
    payload: Packed | Mapping[str, Any],
    order: Order,
    now: float,
    *,
    source: str = "github",
    run_at: float = 0.0,
    replaces: bool = True,
) -> Delivery | None:
    """Put a delivery into the queue; None when its guid was seen before.

    It replaces older work of its topic, unless that shows a later state of the same thing: then it is itself
    superseded from the start."""
    values = {
        "guid": guid,
        "source": source,
        "event": event,
        **{name: getattr(order, name) for name in Order.__slots__},
        "state": Work.SUPERSEDED if _outdated(session, order) else Work.QUEUED,
        "run_at": run_at,
        "received_at": now,
        "body": payload if isinstance(payload, bytes) else pack(payload),
        "attempt": 0,
        "failures": 0,
        "stop_asked": False,
    }
    new = insert(Delivery).values(values).on_conflict_do_nothing(index_elements=["guid"]).returning(Delivery)
    delivery = session.exec(new).scalar_one_or_none()
    if delivery is not None and delivery.state == Work.QUEUED and order.topic and replaces:
        _supersede(session, order, delivery, now)
    return delivery


def send(session: Session, errand: Errand, now: float, run_at: float = 0.0) -> None:
    """Put a delivery of our own into the queue; one that was sent before stays as it is."""
    about = (errand.guid, errand.event, errand.payload, errand.order)
    accept(session, *about, now, source="clock", run_at=run_at, replaces=errand.replaces)


def claim(session: Session, now: float, heavy_free: int, light_free: int) -> tuple[list[Delivery], float | None]:
    """Begin what may begin, people first, within the free places; and when the next delayed one is due."""
    chosen = [
        row.id
        for heavy, free in ((True, heavy_free), (False, light_free))
        if free > 0
        for row in session.execute(_HEADS, {"now": now, "heavy": heavy, "free": free})
    ]
    claimed: list[Delivery] = []
    if chosen:
        begin = (
            update(Delivery)
            .where(col(Delivery.id).in_(chosen), col(Delivery.state) == Work.QUEUED)
            .values(state=Work.RUNNING, attempt=Delivery.attempt + 1, started_at=now)
            .returning(Delivery)
        )
        claimed = sorted(session.scalars(begin), key=lambda delivery: (delivery.priority, delivery.id))
    due = select(func.min(Delivery.run_at)).where(text("state = 'queued'"), col(Delivery.run_at) > now)
    return claimed, session.exec(due).one()


def finish(
    session: Session,
    id: int,  # noqa: A002
    attempt: int,
    state: Work,
    now: float,
    *,
    error: str | None = None,
    run_at: float | None = None,
    apply: Apply | None = None,
) -> Work | None:
    """End a claim, with the local effect `apply` in the same transaction; None when the claim is no longer current.

    Back to QUEUED, it waits until `run_at`.  If a newer delivery wants its place, it is SUPERSEDED however it went."""
    delivery = _current(session, id, attempt)
    if delivery is None:
        return None
    if apply:
        apply(session)
    return _end(delivery, state, now, error, run_at)


def fail(session: Session, id: int, attempt: int, error: str, now: float) -> Work | None:  # noqa: A002
    """End a claim whose handler raised: tried again after RETRIES, then FAILED."""
    delivery = _current(session, id, attempt)
    if delivery is None:
        return None
    delivery.failures += 1
    if delivery.failures > len(RETRIES):
        return _end(delivery, Work.FAILED, now, error)
    return _end(delivery, Work.QUEUED, now, error, now + RETRIES[delivery.failures - 1])


def asked_to_stop(session: Session, ids: Collection[int]) -> list[int]:
    """Those of the running deliveries whose place a newer one wants."""
    wanted = select(Delivery.id).where(col(Delivery.id).in_(ids), col(Delivery.stop_asked))
    return [id for id in session.exec(wanted) if id is not None]  # noqa: A001


def under_way(session: Session, topic: str) -> bool:
    """Whether work of this topic waits or runs."""
    work = select(Delivery.id).where(col(Delivery.topic) == topic, text("state IN ('queued', 'running')"))
    return session.exec(work.limit(1)).first() is not None


def release_all(session: Session, now: float) -> int:
    """Give back what a worker that is no more had claimed; how many there were."""
    left = session.exec(select(Delivery).where(text("state = 'running'"))).all()
    for delivery in left:
        _end(delivery, Work.QUEUED, now)
    return len(left)


def busy(session: Session, key: str) -> bool:
    """Whether something waits or runs in a lane."""
    query = select(Delivery.id).where(col(Delivery.key) == key, text("state IN ('queued', 'running')"))
    return session.exec(query.limit(1)).first() is not None


def purge(session: Session, before: float, at_most: int = 200) -> int:
    """Forget what ended before that time: bodies of GitHub's deliveries (their guids stay known), the clock's rows.

    Returns how many it forgot; call again while that is `at_most`."""
    ended = (Work.DONE, Work.FAILED, Work.SUPERSEDED)
    old = (
        select(Delivery.id)
        .where(col(Delivery.state).in_(ended), col(Delivery.received_at) < before)
        .where(text("body <> x''"))  # as the index says it
        .limit(at_most)
    )
    chosen = col(Delivery.id).in_(session.exec(old).all())
    forgotten = session.execute(delete(Delivery).where(chosen, col(Delivery.source) == "clock"))
    emptied = session.execute(update(Delivery).where(chosen).values(body=b""))
    return int(forgotten.rowcount + emptied.rowcount)  # type: ignore[attr-defined]


def _outdated(session: Session, order: Order) -> bool:
    if not order.topic or not order.stamp:
        return False
    newer = select(Delivery.id).where(
        col(Delivery.topic) == order.topic, text("state IN ('queued', 'running')"), col(Delivery.stamp) > order.stamp
    )
    return session.exec(newer.limit(1)).first() is not None


def _supersede(session: Session, order: Order, newer: Delivery, now: float) -> None:
    """Older work of the topic.  A closing is never skipped: what it removes must go, whatever comes after it."""
    older = (col(Delivery.topic) == order.topic) & (col(Delivery.id) < newer.id)
    same = select(Delivery.id).where(older, text("state IN ('queued', 'running')"), col(Delivery.stamp) == order.stamp)
    if order.stamp and session.exec(same.limit(1)).first() is not None:
        send(session, again(order, newer.guid), now, run_at=now + LAG)
    skipped = update(Delivery).where(older, col(Delivery.action) != "closed")
    session.execute(skipped.where(text("state = 'running'")).values(stop_asked=True))
    session.execute(skipped.where(text("state = 'queued'")).values(state=Work.SUPERSEDED, ended_at=now))


def _current(session: Session, id: int, attempt: int) -> Delivery | None:  # noqa: A002
    claim = select(Delivery).where(
        col(Delivery.id) == id, col(Delivery.attempt) == attempt, col(Delivery.state) == Work.RUNNING
    )
    return session.exec(claim).one_or_none()


def _end(delivery: Delivery, state: Work, now: float, error: str | None = None, run_at: float | None = None) -> Work:
    if delivery.stop_asked:
        state = Work.SUPERSEDED
    delivery.state, delivery.error = state, error
    delivery.stop_asked = False
    if state == Work.QUEUED:
        delivery.run_at = run_at or 0.0
    else:
        delivery.ended_at = now
    return state
