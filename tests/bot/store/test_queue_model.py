"""Accept, claim, finish and crash in every order, against a model of a few lines."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlmodel import Session, select

from bot.deliveries import Order
from bot.models import Delivery, Work
from bot.store import deliveries as queue
from bot.store import engine
from tests.books import lay

LANES = ("a", "b", "c")


@dataclass
class Model:
    """What a delivery should be."""

    id: int
    key: str
    topic: str | None
    heavy: bool
    priority: int
    closing: bool
    run_at: float
    state: Work = Work.QUEUED
    attempt: int = 0
    failures: int = 0
    stop: bool = False
    effects: int = 0
    claims: list[int] = field(default_factory=list)


class Queue(RuleBasedStateMachine):
    """The real queue and its model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = lay(Path(self.folder.name) / "slipway.db")
        self.database = engine.writing(url)
        with self.database.connect() as connection:  # the pool's only one; nobody pulls a plug here
            connection.connection.execute("PRAGMA synchronous = OFF")
        self.now = 0.0
        self.rows: list[Model] = []

    def teardown(self) -> None:
        self.database.dispose()
        self.folder.cleanup()

    @rule(
        key=st.sampled_from(LANES),
        replaces=st.booleans(),
        heavy=st.booleans(),
        priority=st.sampled_from([-10, 0, 10]),
        closing=st.booleans(),
        delay=st.sampled_from([0.0, 0.0, 5.0]),
    )
    def accept(self, key: str, replaces: bool, heavy: bool, priority: int, closing: bool, delay: float) -> None:
        topic = f"{key}:refresh" if replaces else None
        order = Order(key, topic, heavy, priority, "closed" if closing else "opened")
        run_at = self.now + delay if delay else 0.0
        with Session(self.database) as session, session.begin():
            new = queue.accept(session, f"g{len(self.rows)}", "pull_request", {}, order, self.now, run_at=run_at)
            assert new and new.id
            model = Model(new.id, key, topic, heavy, priority, closing, run_at)
        for row in self.rows:
            if topic and row.topic == topic and not row.closing:
                row.stop = row.stop or row.state == Work.RUNNING
                row.state = Work.SUPERSEDED if row.state == Work.QUEUED else row.state
        self.rows.append(model)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.rows) - 1))
        with Session(self.database) as session, session.begin():
            again = queue.accept(session, f"g{number}", "pull_request", {}, Order("a", "a:refresh"), self.now)
            assert again is None

    @rule(heavy=st.integers(0, 2), light=st.integers(0, 2))
    def claim(self, heavy: int, light: int) -> None:
        with Session(self.database) as session, session.begin():
            claimed, due = queue.claim(session, self.now, heavy, light)
            got = [row.id for row in claimed]
        expected = []
        for kind, free in ((True, heavy), (False, light)):
            heads = [row for row in self.heads() if row.heavy == kind]
            expected += sorted(heads, key=lambda row: (row.priority, row.id))[:free]
        assert got == [row.id for row in sorted(expected, key=lambda row: (row.priority, row.id))]
        for row in expected:
            row.state, row.attempt = Work.RUNNING, row.attempt + 1
        waits = [row.run_at for row in self.rows if row.state == Work.QUEUED and row.run_at > self.now]
        assert due == min(waits, default=None)

    def heads(self) -> list[Model]:
        heads = []
        for key in LANES:
            lane = [row for row in self.rows if row.key == key]
            holding = [row for row in lane if row.state == Work.QUEUED and (row.run_at <= self.now or row.attempt > 0)]
            if holding and not any(row.state == Work.RUNNING for row in lane) and holding[0].run_at <= self.now:
                heads.append(holding[0])
        return heads

    @precondition(lambda self: any(row.state == Work.RUNNING for row in self.rows))
    @rule(data=st.data(), how=st.sampled_from(["done", "fail", "later", "superseded", "stale"]))
    def finish(self, data: st.DataObject, how: str) -> None:
        row = data.draw(st.sampled_from([row for row in self.rows if row.state == Work.RUNNING]))
        with Session(self.database) as session, session.begin():
            self._finish(session, row, how)

    def _finish(self, session: Session, row: Model, how: str) -> None:
        ran: list[Session] = []
        if how == "stale":
            assert queue.finish(session, row.id, row.attempt - 1, Work.DONE, self.now, apply=ran.append) is None
            assert not ran
        elif how == "fail":
            row.failures += 1
            over = row.failures > len(queue.RETRIES)
            expected = Work.SUPERSEDED if row.stop else Work.FAILED if over else Work.QUEUED
            assert queue.fail(session, row.id, row.attempt, "", self.now) == expected
            if expected == Work.QUEUED:
                row.run_at = self.now + queue.RETRIES[row.failures - 1]
            row.state, row.stop = expected, False
        elif how == "later":
            expected = Work.SUPERSEDED if row.stop else Work.QUEUED
            assert queue.finish(session, row.id, row.attempt, Work.QUEUED, self.now, run_at=self.now + 3) == expected
            row.state, row.stop, row.run_at = expected, False, self.now + 3
        else:
            state = Work.DONE if how == "done" else Work.SUPERSEDED
            expected = Work.SUPERSEDED if row.stop else state
            assert queue.finish(session, row.id, row.attempt, state, self.now, apply=ran.append) == expected
            row.state, row.stop, row.effects = expected, False, len(ran)

    @rule()
    def crash(self) -> None:
        with Session(self.database) as session, session.begin():
            queue.release_all(session, self.now)
        for row in self.rows:
            if row.state == Work.RUNNING:
                row.state = Work.SUPERSEDED if row.stop else Work.QUEUED
                row.run_at, row.stop = 0.0, False

    @rule(seconds=st.sampled_from([0.5, 2.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def both_agree(self) -> None:
        with Session(self.database) as session:
            real = {row.id: row for row in session.exec(select(Delivery))}
        assert len(real) == len(self.rows)
        for row in self.rows:
            other = real[row.id]
            assert (other.state, other.attempt, other.failures, other.stop_asked) == (
                *(row.state, row.attempt, row.failures, row.stop),
            )
            assert row.effects <= 1


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
