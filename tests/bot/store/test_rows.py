"""Routes and their versions, visits, counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlmodel import Session

from bot.deliveries import Order
from bot.models import Deployment, Project, State, Work
from bot.store import deliveries, engine, rows


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    database = engine.writing(url)
    with Session(database) as session:
        yield session
    database.dispose()


def test_every_change_of_a_route_has_a_newer_version(session: Session) -> None:
    assert [rows.set_route(session, host, "d", {"kind": "page"}) for host in ("a", "b", "a")] == [1, 2, 3]
    assert rows.set_route(session, "b", "d", None) == 4
    assert [(row.host, row.target) for row in rows.routes_after(session, 0)] == [("a", {"kind": "page"}), ("b", None)]
    assert [row.version for row in rows.routes_after(session, 3)] == [4]


def test_a_visit_never_makes_a_deployment_older(session: Session) -> None:
    session.add(Deployment(id="d", delivery="g", project_id=1, sha="", received_at=0, active_at=10))
    session.flush()
    rows.note_activity(session, {"d": 5.0, "unknown": 7.0})
    assert session.get_one(Deployment, "d").active_at == 10
    rows.note_activity(session, {"d": 15.0})
    session.expire_all()
    assert session.get_one(Deployment, "d").active_at == 15


def test_counts(session: Session) -> None:
    for number in range(3):
        deliveries.accept(session, str(number), "push", {}, Order(str(number)), 0)
    deliveries.claim(session, 0, 0, 1)
    session.add(Deployment(delivery="g", project_id=1, sha="", received_at=0, state=State.LIVE))
    session.add(Project(id=1, installation_id=1, owner="o", name="n"))
    session.add(Project(id=2, installation_id=1, owner="o", name="m", state="gone"))
    session.flush()
    assert rows.work_by_state(session) == {Work.QUEUED: 2, Work.RUNNING: 1}
    assert rows.deployments_by_state(session)[State.LIVE] == 1
    assert rows.deployments_by_state(session)[State.FAILED] == 0
    assert rows.projects(session) == 1
