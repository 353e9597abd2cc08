"""What must never run again, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from bot.audit import Entry
from bot.models import Delivery, Release, Stage
from bot.store import engine, environments, releases, retention
from bot.store.revocation import Not, revoke
from tests.bot.store.test_releases import change, release, rolled_back, switched, take

LINE = Entry("release.revoked", 1.0, project_id=1, number=7, environment="production", delivery="g")


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    database = engine.writing(url)
    with Session(database, expire_on_commit=False) as one:
        yield one
    database.dispose()


def revoked(session: Session, target: str) -> list[str] | Not:
    done = revoke(session, 1, "production", target, "a leak", LINE, 20.0)
    return done if isinstance(done, str) else sorted(row.id for row in done)


def stage(session: Session, name: str) -> Stage:
    return session.get_one(Release, name).state


def test_all_releases_of_the_artifact_are_marked_and_no_way_back_leads_there(session: Session) -> None:
    for name in "abc":
        switched(session, name)
    rolled_back(session, "d", of="a")
    switched(session, "e")

    assert revoked(session, "a" * 7) == ["a", "d"]

    assert stage(session, "a") is stage(session, "d") is Stage.REVOKED
    back = releases.former(session, 1, "production")
    assert back is not None
    assert back.id == "b"  # what was rolled back from is no place to go to
    assert environments.revoked(session, 1, "production", "sha256:a")
    assert not environments.revoked(session, 1, "staging", "sha256:a")
    assert "sha256:a" not in retention.kept(session)
    assert [row.event for row in session.exec(select(Delivery)) if "revoked" in row.guid] == ["slipway.settle"]


def test_one_that_is_being_released_is_not_switched_to(session: Session) -> None:
    switched(session, "a")
    row = release(session, "b")
    lease = take(session, "b")

    assert revoked(session, "b") == ["b"]

    assert releases.switch(session, row.id, change(lease), 21.0) == "revoked"
    assert session.get_one(Release, "a").id == environments.environment(session, 1, "production").release


def test_one_that_was_judged_before_and_begun_after_is_not_switched_to(session: Session) -> None:
    switched(session, "a")
    switched(session, "b")
    assert revoked(session, "a") == ["a"]
    row = release(session, "c", artifact="sha256:a")

    assert releases.switch(session, row.id, change(take(session, "c")), 21.0) == "revoked"


def test_what_serves_is_left_alone_whatever_it_is_called(session: Session) -> None:
    switched(session, "a")
    switched(session, "b")
    rolled_back(session, "c", of="a")

    assert [revoked(session, name) for name in ("a", "c", "a" * 40)] == ["serves"] * 3
    assert stage(session, "a") is Stage.SUPERSEDED


def test_unknown_short_and_ambiguous_names_mark_nothing(session: Session) -> None:
    switched(session, "a", sha="0123456a")
    switched(session, "b", sha="0123456b")
    switched(session, "c")

    assert [revoked(session, name) for name in ("012345", "ffffffff", "")] == ["unknown"] * 3
    assert revoked(session, "0123456") == "several"
    assert revoked(session, "0123456B") == ["b"]
    assert revoked(session, "0123456B") == []
