"""`/ack` and `/ignore` of a finding, end to end: who may, of which commit, for how long."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.messages.scan import CHECK
from bot.models import Leave, Scan
from bot.scanners.findings import Finding, Report
from bot.store import scans
from tests.house import SERVER, House, eventually, house
from tests.talk import ended, live, quiet, refused, staff, write

pytestmark = pytest.mark.slow
HIGH = Finding("ruff", "S608", "code", 7.5, "app.py", 1, 1, "SQL of strings", "3f9a1c0b00000001:0")
TWICE = Finding("ruff", "S608", "code", 7.5, "app.py", 9, 9, "SQL of strings", "3f9a1c0b00000001:1")
OTHER = Finding("ruff", "S301", "code", 7.5, "app.py", 2, 2, "pickle", "77aa77aa00000002:0")
FOUND = Report((HIGH, TWICE, OTHER), frozenset({HIGH.fingerprint, TWICE.fingerprint, OTHER.fingerprint}))


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


def key(home: House, number: int) -> scans.Key:
    return home.github.hub.repo(home.repo).id, number, str(home.github.hub.pull(home.repo, number).head_sha)


async def scanned(home: House, **words: Any) -> int:
    """A live pull request whose head has these findings."""
    await staff(home)
    number = await live(home, **words)
    await quiet(home)
    await found(home, number)
    return number


async def found(home: House, number: int) -> None:
    assert home.service is not None

    def put(session: Session) -> None:
        at = key(home, number)
        row = session.get(Scan, at) or Scan(project_id=at[0], number=number, sha=at[2], asked_at=1.0)
        row.report = row.secrets = FOUND.as_json()
        row.ended_at, row.fault = 2.0, None
        session.add(row)

    await home.service.store.write(put)


async def counted(home: House, number: int, later: float = 0.0) -> list[str]:
    """The rules of what still counts at the head."""
    assert home.service is not None
    now = home.service.clock() + later
    report = await home.service.store.read(scans.report, key(home, number), now)
    assert report is not None
    return [f"{one.rule}:{one.line}" for one in report.counted()]


async def leaves(home: House) -> list[Leave]:
    assert home.service is not None
    return await home.service.store.read(lambda session: list(session.exec(select(Leave))))


def day(days: int) -> str:
    return f"{dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)}"


async def test_a_maintainer_acknowledges_one_finding_of_one_commit(home: House) -> None:
    number = await scanned(home)
    head = key(home, number)[2]

    await ended(home, await write(home, number, f"/ack {HIGH.id}", "meg"))

    assert await counted(home, number) == ["S301:2", "S608:9"]
    (row,) = await leaves(home)
    assert (row.kind, row.what, row.sha, row.by_login, row.until) == ("ack", HIGH.fingerprint, head, "meg", None)

    await ended(home, await write(home, number, "/ack 77AA77AA", "meg"))

    assert await counted(home, number) == ["S608:9"]
    assert len(await leaves(home)) == 2


async def test_the_check_is_told_anew_when_a_person_has_looked(home: House) -> None:
    number = await scanned(home)
    head = key(home, number)[2]

    for one in (HIGH, TWICE, OTHER):
        await ended(home, await write(home, number, f"/ack {one.id}", "meg"))

    async def passes() -> bool | None:
        return True if home.checks(head, CHECK)[-1].conclusion == "success" else None

    await eventually(passes)
    first = next(one for one in home.checks(head, CHECK) if one.conclusion == "failure")
    assert first.title == "2 new high · 1 suppressed"


async def test_who_may_not_acknowledge_a_finding_is_told_who_may(home: House) -> None:
    number = await scanned(home)

    by_writer = await refused(home, number, f"/ack {HIGH.id}", "bob")
    by_author = await refused(home, number, f"/ack {HIGH.id}", "ann")

    assert by_writer["reason_code"] == by_author["reason_code"] == "not_permitted"
    assert (by_writer["rules"][0]["actual"], by_writer["rules"][0]["required"]) == ("write", "maintain")
    assert await counted(home, number) == ["S608:1", "S301:2", "S608:9"]


async def test_what_is_no_finding_or_several_is_refused(home: House) -> None:
    number = await scanned(home)

    several = await refused(home, number, "/ack 3f9a1c0b", "meg")
    none = await refused(home, number, "/ack 12345678", "meg")
    short = await refused(home, number, "/ack 3f9a1c", "meg")

    assert (several["reason_code"], several["rules"][0]["actual"]) == ("unknown_finding", "several")
    assert (none["reason_code"], none["rules"][0]["actual"]) == ("unknown_finding", "none")
    assert short["reason_code"] == "usage"
    assert await leaves(home) == []


async def test_an_acknowledgement_is_for_what_its_author_saw(home: House) -> None:
    number = await scanned(home)
    later = await home.push({"app.py": SERVER["app.py"].replace("one", "two")})

    said = await refused(home, number, f"/ack {HIGH.id}", "meg")

    assert (said["reason_code"], said["next"]) == ("head_moved", f"/ack {HIGH.id} {later[:7]}")


async def test_a_finding_is_ignored_in_the_project_until_a_day(home: House) -> None:
    number = await scanned(home)

    await ended(home, await write(home, number, f'/ignore {HIGH.id} --until={day(30)} --reason="fixed values"', "bob"))

    assert await counted(home, number) == ["S301:2", "S608:9"]
    assert await counted(home, number, later=29.5 * 86400) == ["S301:2", "S608:9"]
    assert await counted(home, number, later=31 * 86400) == ["S608:1", "S301:2", "S608:9"]
    (row,) = await leaves(home)
    assert (row.kind, row.what, row.reason, row.by_login) == ("ignore", HIGH.fingerprint, "fixed values", "bob")

    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.says(number, "is live", key(home, number)[2][:7])
    await quiet(home)
    await found(home, number)

    assert await counted(home, number) == ["S301:2", "S608:9"]


async def test_an_ignore_needs_a_reason_and_an_end_within_a_year(home: House) -> None:
    number = await scanned(home)
    wrong = (
        f"--until={day(30)}",
        "--reason=x",
        f"--reason=x --until={day(400)}",
        f"--reason=x --until={day(-1)}",
        "--reason=x --until=2027-02-30",
        "--reason=x --until=30d",
        f'--reason=" " --until={day(1)}',
    )

    codes = {(await refused(home, number, f"/ignore {HIGH.id} {flags}", "bob"))["reason_code"] for flags in wrong}

    assert codes == {"usage"}
    assert await leaves(home) == []


async def test_the_author_of_an_agents_change_ignores_nothing_in_it(home: House) -> None:
    number = await scanned(home, branch="claude/change")
    asked = f"/ignore {HIGH.id} --until={day(1)} --reason=mine"

    said = await refused(home, number, asked, "ann")
    await ended(home, await write(home, number, asked, "bob"))

    assert (said["reason_code"], said["rules"][0]["rule"]) == ("not_permitted", "author")
    assert len(await leaves(home)) == 1


async def test_a_reader_ignores_nothing(home: House) -> None:
    number = await scanned(home)
    home.github.user("rea")
    home.github.grant(home.repo, "rea", "triage")

    said = await refused(home, number, f"/ignore {HIGH.id} --until={day(1)} --reason=mine", "rea")

    assert said["reason_code"] == "not_permitted"
