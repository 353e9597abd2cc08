"""Nights and what they found, row by row."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from bot import errands
from bot.audit import Entry
from bot.models import LateFinding, Night, Project, Release, Scan, Stage
from bot.policy.terms import Revoking
from bot.policy.terms import Scan as Limits
from bot.releases.nights import night_of, reason
from bot.scanners.dependencies import Late
from bot.scanners.findings import Finding
from bot.store import deliveries, engine, environments, nights, releases, retention
from tests.bot.store.test_releases import rolled_back, switched

WORDS: tuple[Revoking, ...] = ("never", "malware", "threshold")
NOW, DAY = 1_800_000_000.0, 20_000
LINE = Entry("night.found", NOW, project_id=1, environment="production", delivery="n")
HIGH = Late(Finding("dependencies", "GHSA-1", "dependency", 8.0, "", 0, 0, "flask", "aa:0"), since=True)
OLD = Late(Finding("dependencies", "GHSA-2", "dependency", 8.0, "", 0, 0, "jinja2", "bb:0"), since=False)
EVIL = Late(Finding("dependencies", "GHSA-3", "malware", 10.0, "", 0, 0, "evil", "cc:0"), since=True)


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    database = engine.writing(url)
    with Session(database, expire_on_commit=False) as one:
        one.add(Project(id=1, installation_id=7, owner="acme", name="shop"))
        one.add(Scan(project_id=1, number=0, sha="a" * 40, asked_at=NOW, sbom=zlib.compress(b"{}")))
        yield one
    database.dispose()


def serves(session: Session, name: str, state: Stage = Stage.VERIFIED) -> Release:
    row = switched(session, name)
    row.state = state
    session.add(row)
    return row


def end(session: Session, row: Release, *late: Late, day: int = DAY, revoke: str | None = None) -> list[str]:
    """A night that saw this; the advisories that it tells of."""
    nights.end(session, 1, day, [nights.Seen(row, late, LINE, revoke)], None, NOW)
    return [one["rule"] for found in session.get_one(Night, (1, day)).found for one in found["late"]]


def test_a_project_that_serves_is_due_once_a_night(session: Session) -> None:
    assert nights.due(session, DAY) == []
    serves(session, "a")

    assert nights.due(session, DAY) == [errands.rescan(1, DAY)]
    for one in nights.due(session, DAY):
        deliveries.send(session, one, NOW)

    assert nights.due(session, DAY) == []
    assert nights.due(session, DAY + 1) == [errands.rescan(1, DAY + 1)]


@pytest.mark.parametrize("gone", ["project", "scan"])
def test_who_left_and_who_never_scans_is_not_looked_at(session: Session, gone: str) -> None:
    serves(session, "a")
    if gone == "project":
        session.get_one(Project, 1).state = "removed"
    else:
        session.delete(session.exec(select(Scan)).one())
    session.flush()

    assert nights.due(session, DAY) == []


def test_a_night_begins_at_two() -> None:
    midnight = DAY * 86400.0
    assert [night_of(midnight + hours * 3600) - DAY for hours in (0, 1.9, 2, 23, 25.9, 26)] == [-1, -1, 0, 0, 0, 1]


def test_two_nights_tell_once_and_the_same_night_is_made_once(session: Session) -> None:
    row = serves(session, "a")

    assert end(session, row, HIGH) == ["GHSA-1"]
    assert end(session, row, HIGH, EVIL) == ["GHSA-1"], "that night has been made"
    assert end(session, row, HIGH, EVIL, day=DAY + 1) == ["GHSA-3"]
    assert end(session, row, HIGH, EVIL, day=DAY + 2) == []
    assert session.get_one(Night, (1, DAY + 2)).told_at == NOW, "nothing to tell"


def test_what_was_known_before_is_told_once_in_the_project(session: Session) -> None:
    assert end(session, serves(session, "a"), HIGH, OLD) == ["GHSA-1", "GHSA-2"]
    assert end(session, serves(session, "b"), HIGH, OLD, day=DAY + 1) == ["GHSA-1"]


def test_what_a_promotion_has_met_is_told_by_the_next_night_all_the_same(session: Session) -> None:
    row = serves(session, "a")
    nights.note(session, (1, 0, row.sha), [HIGH], NOW)
    assert end(session, row, HIGH) == ["GHSA-1"]
    assert len(session.exec(select(LateFinding)).all()) == 1


def test_what_serves_is_revoked_stays_and_is_never_gone_back_to(session: Session) -> None:
    serves(session, "a")
    bad = serves(session, "b")

    end(session, bad, EVIL, revoke="evil")
    end(session, bad, EVIL, revoke="evil", day=DAY + 1)

    assert (bad.state, bad.ended_at) == (Stage.REVOKED, None)
    assert [night.found != [] for night in session.exec(select(Night))] == [True, False]
    _env, current = environments.look(session, 1, "production")
    assert current is bad and "sha256:b" in retention.kept(session)

    rolled_back(session, "c", of="a")

    assert session.get_one(Release, "b").state is Stage.REVOKED, "what it was left as must not make it good again"
    assert environments.revoked(session, 1, "production", "sha256:b")
    assert releases.former(session, 1, "production") is None


def test_what_is_watched_is_not_marked(session: Session) -> None:
    row = serves(session, "a", Stage.VERIFYING)
    end(session, row, EVIL, revoke="evil")
    assert row.state is Stage.VERIFYING


def test_a_fault_is_told_once_until_there_is_another(session: Session) -> None:
    for day, why in enumerate(("down", "down", "refused")):
        nights.missed(session, 1, day, why, NOW)
    untold = [night.day for night, _project in nights.untold(session)]
    assert untold == [0, 2]


def test_each_word_of_the_policy_revokes_at_least_what_the_one_before_does() -> None:
    found: tuple[list[Late], ...] = ([], [OLD], [HIGH], [EVIL], [HIGH, EVIL])
    for most in (0, 5):
        limits = Limits(high=most, malware=most, critical=most)
        never, malware, threshold = (
            [reason(late, dataclasses.replace(limits, revoke=word)) is not None for late in found] for word in WORDS
        )
        assert never == [False] * 5
        assert malware == [False, False, False, True, True]
        assert threshold == [False, False, most == 0, True, True]
