"""The queue's rules, one by one; test_queue_model.py tries them all at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from bot.deliveries import Order, unpack
from bot.models import Delivery, Work
from bot.store import Store, engine
from bot.store import deliveries as queue

GUIDS = itertools.count()


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    database = engine.writing(url)
    with Session(database) as session:
        yield session
    database.dispose()


def put(session: Session, key: str = "1#1", *, now: float = 0.0, run_at: float = 0.0, **order: Any) -> int:
    delivery = queue.accept(
        session,
        f"g{next(GUIDS)}",
        "pull_request",
        {},
        Order(key, **order),
        now,
        run_at=run_at,
    )
    assert delivery and delivery.id
    return delivery.id


def refresh(session: Session, stamp: str = "", action: str = "synchronize") -> int:
    return put(session, topic="1#1:refresh", stamp=stamp, action=action)


def claim(session: Session, now: float = 0.0, heavy: int = 9, light: int = 9) -> list[int]:
    return [delivery.id or 0 for delivery in queue.claim(session, now, heavy, light)[0]]


def state(session: Session, number: int) -> Work:
    session.expire_all()
    return session.get_one(Delivery, number).state


def end(session: Session, number: int, state: Work = Work.DONE, attempt: int = 1, **how: Any) -> Work | None:
    return queue.finish(session, number, attempt, state, 1.0, **how)


def test_a_delivery_keeps_what_it_came_with(session: Session) -> None:
    order = Order("1#2", "1#2:refresh", True, 10, "opened", 3, 1, "2026-01-01T00:00:00Z")
    kept = queue.accept(session, "g", "pull_request", {"a": "é"}, order, 7.0, source="clock", run_at=9.0)
    assert kept
    assert Order(**{name: getattr(kept, name) for name in Order.__slots__}) == order
    assert (kept.guid, kept.source, kept.state, kept.received_at, kept.run_at) == ("g", "clock", "queued", 7.0, 9.0)
    assert unpack(kept.body) == {"a": "é"}


def test_a_delivery_seen_before_is_not_taken_again(session: Session) -> None:
    assert queue.accept(session, "g", "push", {}, Order("1"), 0)
    assert queue.accept(session, "g", "push", {}, Order("1"), 1) is None


async def test_of_twenty_redeliveries_at_once_one_is_taken(store: Store, url: str) -> None:
    other = Store.open(url)
    results = await asyncio.gather(
        *(one.write(queue.accept, "g", "push", {}, Order("1"), 0.0) for _ in range(10) for one in (store, other))
    )
    assert len([result for result in results if result]) == 1
    other.close()


def test_a_lane_runs_one_at_a_time_in_order(session: Session) -> None:
    first, second = put(session), put(session)
    assert claim(session) == [first]
    assert claim(session) == []
    end(session, first)
    assert claim(session) == [second]


def test_lanes_run_side_by_side(session: Session) -> None:
    assert claim(session) == []
    ids = [put(session, key) for key in ("a", "b", "c")]
    assert claim(session) == ids


def test_the_database_itself_forbids_two_in_a_lane(session: Session) -> None:
    put(session), put(session)
    with pytest.raises(IntegrityError):
        for delivery in session.exec(select(Delivery)):
            delivery.state = Work.RUNNING
        session.flush()


def test_people_go_before_bots_and_closing_before_all(session: Session) -> None:
    bot, person, closing = put(session, "a", priority=10), put(session, "b"), put(session, "c", priority=-10)
    assert [claim(session, heavy=0, light=1) for _ in range(3)] == [[closing], [person], [bot]]


def test_in_its_lane_nobody_overtakes(session: Session) -> None:
    bot, _person = put(session, priority=10), put(session)
    assert claim(session) == [bot]


def test_builds_and_the_rest_have_places_of_their_own(session: Session) -> None:
    heavy = [put(session, f"h{number}", heavy=True) for number in range(3)]
    light = [put(session, f"l{number}") for number in range(3)]
    assert claim(session, heavy=2, light=1) == [*heavy[:2], light[0]]
    assert claim(session, heavy=0, light=5) == light[1:]
    assert claim(session, heavy=5, light=0) == heavy[2:]


def test_a_newer_one_replaces_what_waits(session: Session) -> None:
    older, newer = refresh(session), refresh(session)
    assert state(session, older) == Work.SUPERSEDED
    assert claim(session) == [newer]


def test_a_newer_one_stops_what_runs(session: Session) -> None:
    older = refresh(session)
    claim(session)
    newer = refresh(session)
    assert queue.asked_to_stop(session, [older, newer]) == [older]
    assert claim(session) == []
    end(session, older, Work.SUPERSEDED)
    assert claim(session) == [newer]


def test_of_a_burst_the_last_is_left(session: Session) -> None:
    *older, last = [refresh(session) for _ in range(6)]
    assert {state(session, number) for number in older} == {Work.SUPERSEDED}
    assert claim(session) == [last]


def test_what_has_no_topic_is_never_replaced(session: Session) -> None:
    label, push = put(session), refresh(session)
    assert claim(session) == [label]
    assert queue.asked_to_stop(session, [label]) == []
    end(session, label)
    assert claim(session) == [push]


def test_an_older_state_that_comes_late_replaces_nothing(session: Session) -> None:
    newer = refresh(session, "2026-01-01T00:00:02Z")
    late = refresh(session, "2026-01-01T00:00:01Z")
    assert state(session, late) == Work.SUPERSEDED
    assert claim(session) == [newer]
    assert state(session, refresh(session, "2026-01-01T00:00:01Z")) == Work.SUPERSEDED
    assert queue.asked_to_stop(session, [newer]) == []


def test_within_one_second_the_later_arrival_wins(session: Session) -> None:
    older, newer = refresh(session, "2026-01-01T00:00:01Z"), refresh(session, "2026-01-01T00:00:01Z")
    assert state(session, older) == Work.SUPERSEDED
    assert claim(session) == [newer]


def test_a_closing_replaces_and_is_not_replaced(session: Session) -> None:
    push = refresh(session)
    closing = refresh(session, action="closed")
    reopened = refresh(session, action="reopened")
    assert state(session, push) == Work.SUPERSEDED
    assert claim(session) == [closing]
    end(session, closing)
    assert claim(session) == [reopened]


def test_only_the_current_claim_can_end_a_delivery(session: Session) -> None:
    one = put(session)
    claim(session)
    queue.release_all(session, 0)
    claim(session)
    ran: list[Session] = []
    assert end(session, one, attempt=1, apply=ran.append) is None
    assert queue.fail(session, one, 1, "late", 0) is None
    assert state(session, one) == Work.RUNNING
    assert ran == []
    assert end(session, one, attempt=2, apply=ran.append) == Work.DONE
    assert end(session, one, attempt=2, apply=ran.append) is None
    assert len(ran) == 1


def test_a_failure_is_tried_again_after_2_8_and_30_seconds(session: Session) -> None:
    one, now, waits = put(session), 100.0, []
    for attempt in (1, 2, 3):
        assert claim(session, now) == [one]
        assert queue.fail(session, one, attempt, f"try {attempt}", now) == Work.QUEUED
        _, due = queue.claim(session, now, 9, 9)
        assert due is not None
        waits.append(due - now)
        now = due
    assert claim(session, now) == [one]
    assert queue.fail(session, one, 4, "try 4", now) == Work.FAILED
    assert waits == [2, 8, 30]
    assert session.get_one(Delivery, one).error == "try 4"


def test_a_wait_that_was_asked_for_does_not_count(session: Session) -> None:
    one = put(session)
    for attempt in range(1, 8):
        assert claim(session, now=attempt * 10.0) == [one]
        assert end(session, one, Work.QUEUED, attempt, run_at=attempt * 10.0 + 5) == Work.QUEUED
    assert session.get_one(Delivery, one).failures == 0


def test_a_retry_holds_its_lane_so_that_nothing_overtakes_it(session: Session) -> None:
    first, second = put(session), put(session)
    claim(session)
    queue.fail(session, first, 1, "oops", 0)
    assert claim(session, 1.0) == []
    assert claim(session, 2.0) == [first]
    end(session, first, attempt=2)
    assert claim(session, 2.0) == [second]


def test_one_that_is_not_due_yet_holds_nobody_up(session: Session) -> None:
    later, now = put(session, run_at=50), put(session)
    assert queue.claim(session, 0.0, 9, 9)[1] == 50
    assert state(session, now) == Work.RUNNING
    end(session, now)
    assert claim(session, 49.9) == []
    assert claim(session, 50.0) == [later]
    assert queue.claim(session, 50.0, 9, 9)[1] is None


@pytest.mark.parametrize("wanted", [Work.QUEUED, Work.DONE, Work.SUPERSEDED])
def test_what_a_newer_one_replaced_while_it_ran_is_superseded(session: Session, wanted: Work) -> None:
    older = refresh(session)
    claim(session)
    refresh(session)
    assert end(session, older, wanted) == Work.SUPERSEDED


def test_a_replaced_one_that_fails_is_not_tried_again(session: Session) -> None:
    older = refresh(session)
    claim(session)
    refresh(session)
    assert queue.fail(session, older, 1, "cancelled badly", 0) == Work.SUPERSEDED


def test_a_worker_that_starts_takes_over_what_was_running(session: Session) -> None:
    first, other, push = put(session, "a"), put(session, "b"), refresh(session)
    assert len(claim(session)) == 3
    newer = refresh(session)
    assert queue.release_all(session, 5.0) == 3
    assert claim(session) == [first, other, newer]
    assert state(session, push) == Work.SUPERSEDED


def test_old_bodies_go_and_their_guids_stay(session: Session) -> None:
    done, waiting, recent = put(session, "a"), put(session, "b"), put(session, "c", now=10)
    tick = queue.accept(session, "tick", "slipway.tick", {}, Order("slipway.tick"), 0, source="clock")
    assert tick
    for number in claim(session):
        if number != waiting:  # which runs for long
            end(session, number)
    assert queue.purge(session, before=5) == 2
    assert queue.purge(session, before=5) == 0
    assert unpack(session.get_one(Delivery, done).body) == {}
    assert session.get_one(Delivery, waiting).body
    assert session.get_one(Delivery, recent).body
    assert session.get(Delivery, tick.id) is None


def test_purging_goes_in_small_steps(session: Session) -> None:
    for number in range(5):
        put(session, str(number))
    for number in claim(session):
        end(session, number)
    assert [queue.purge(session, before=5, at_most=2) for _ in range(4)] == [2, 2, 1, 0]
