"""The rows of a scan: asked for once, secrets first, and what people said of its findings."""

from __future__ import annotations

import dataclasses
import json
import zlib
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import Session, col, select

from bot.models import AuditEntry, Delivery, Deployment, Leave, Project, PullRequest, Scan, State
from bot.policy import Unknown
from bot.policy.change import SCANNING
from bot.policy.facts import Scanned
from bot.scanners.findings import Finding, Ran, Report
from bot.store import Store, scans

SHA, NEXT = "a" * 40, "b" * 40
KEY: scans.Key = (1, 5, SHA)
NOW = 1_800_000_000.0
LEAK = Finding("kingfisher", "stripe", "secret", 9.5, "config.py", 1, 1, "A key", "11112222aaaa0001:0")
HIGH = Finding("ruff", "S608", "code", 7.5, "shop.py", 3, 3, "SQL of strings", "3f9a1c0b00000001:0")
COPY = dataclasses.replace(HIGH, line=9, end_line=9, fingerprint="3f9a1c0b00000001:1")
OLD = Finding("ruff", "S301", "code", 7.5, "old.py", 2, 2, "pickle", "77aa77aa00000002:0")
BAD = Finding("advisories", "MAL-1", "malware", 9.8, "requirements.txt", 1, 1, "Malware", "99bb99bb00000003:0")
RUFF = Ran("ruff", "0.15", 0.2)


@pytest.fixture
async def books(store: Store) -> Store:
    """A pull request whose head is to be scanned."""

    def fill(session: Session) -> None:
        session.add(Project(id=1, installation_id=7, owner="acme", name="shop"))
        session.add(PullRequest(project_id=1, number=5, state="open", head_sha=SHA, updated_at="2026-01-01T00:00:00Z"))
        session.flush()
        scans.ask(session, *KEY, "opened", NOW)

    await store.write(fill)
    return store


def report(*found: Finding, known: tuple[Finding, ...] = (), ran: tuple[Ran, ...] = (RUFF,)) -> Report:
    return Report((*found, *known), frozenset(one.fingerprint for one in found), ran)


async def row(books: Store, key: scans.Key = KEY) -> Scan:
    found = await books.read(scans.get, key)
    assert found is not None
    return found


async def said(books: Store, kind: str, one: Finding, **fields: Any) -> None:
    words = {"project_id": 1, "number": 5, "sha": SHA, "by_id": 3, "by_login": "meg", "at": NOW, **fields}
    await books.write(lambda session: session.add(Leave(kind=kind, what=one.fingerprint, **words)))


async def counted(books: Store, key: scans.Key = KEY, now: float = NOW) -> list[Finding]:
    seen = await books.read(scans.report, key, now)
    assert seen is not None
    return seen.counted()


async def stands(books: Store, key: scans.Key = KEY) -> Scanned | Unknown | None:
    return await books.read(scans.scanned, key, NOW)


def sent(session: Session, event: str) -> int:
    return len(session.exec(select(Delivery).where(Delivery.event == event)).all())


def last_line(session: Session) -> dict[str, Any]:
    line = session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc())).first()
    assert line is not None
    raw: dict[str, Any] = json.loads(line.payload)
    return raw


# ---- asked, and ended


async def test_a_head_has_one_row_whoever_asks_and_the_same_delivery_asks_once(books: Store) -> None:
    await books.write(scans.ask, *KEY, "opened", NOW + 9)
    assert (await row(books)).asked_at == NOW
    assert await books.read(sent, "slipway.scan") == 1

    await books.write(scans.ask, 1, 5, NEXT, "synchronize", NOW + 9)
    assert await books.read(sent, "slipway.scan") == 2
    assert [one.sha for one in await books.read(scans.of_pull, 1, 5)] == [SHA, NEXT]


async def test_what_was_found_stays_when_the_head_is_asked_about_again(books: Store) -> None:
    await books.write(scans.end, KEY, report(HIGH), NOW)
    await books.write(scans.ask, *KEY, "reopened", NOW + 9)
    assert await counted(books) == [HIGH]


async def test_it_is_scanned_again_for_who_wants_that(books: Store) -> None:
    await books.write(scans.end, KEY, report(HIGH), NOW)
    await books.write(lambda session: scans.ask(session, *KEY, "redeploy", NOW + 9, again=True))
    assert await stands(books) == Unknown(SCANNING)
    assert await books.read(scans.pending, KEY)


async def test_a_scan_that_nobody_works_on_any_more_is_taken_up_again(books: Store) -> None:
    await books.write(lambda session: session.execute(delete(Delivery)))
    await books.write(scans.ask_stuck, NOW + 700)
    await books.write(scans.ask_stuck, NOW + 701)
    assert await books.read(sent, "slipway.scan") == 1


async def test_a_preview_that_is_up_before_its_secret_is_found_is_taken_down(books: Store) -> None:
    def show(session: Session) -> None:
        row = Deployment(id="d1", delivery="g1", project_id=1, number=5, sha=SHA, state=State.LIVE, received_at=NOW)
        session.add(row)
        session.get_one(PullRequest, (1, 5)).displayed = "d1"

    await books.write(show)
    await books.write(scans.note_secrets, KEY, report(LEAK), NOW)

    assert await books.read(sent, "slipway.remove") == 1
    told = (await books.read(lambda session: session.get_one(Deployment, "d1"))).failure
    assert told is not None and told["reason_code"] == "secret_found"


async def test_secrets_are_known_before_the_rest(books: Store) -> None:
    assert await books.read(scans.pending, KEY)
    assert await books.read(scans.leaked, KEY, NOW) is None

    await books.write(scans.note_secrets, KEY, report(LEAK), NOW)

    assert not await books.read(scans.pending, KEY)
    assert await books.read(scans.leaked, KEY, NOW) == report(LEAK)
    assert await stands(books) == Unknown(SCANNING)
    assert await books.read(scans.report, KEY, NOW) is None


async def test_nobody_waits_for_a_scan_that_nobody_asked_for(books: Store) -> None:
    assert not await books.read(scans.pending, (1, 5, NEXT))
    assert await books.read(scans.leaked, (1, 5, NEXT), NOW) is None


async def test_its_end_is_in_the_books_and_asks_gate_and_comment(books: Store) -> None:
    pull = await books.read(lambda session: session.get_one(PullRequest, (1, 5)))
    silent = Ran("zizmor", fault="took longer than 60 s")

    await books.write(scans.end, KEY, report(HIGH, known=(OLD,), ran=(RUFF, silent)), NOW, base=NEXT, sbom=b"{}")

    ended = await row(books)
    assert (ended.base, ended.ended_at, ended.fault) == (NEXT, NOW, None)
    assert ended.sbom is not None and zlib.decompress(ended.sbom) == b"{}"
    line = await books.read(last_line)
    assert line["what"] == "scan.ended" and line["shas"] == {"head": SHA} and line["number"] == 5
    assert line["after"] == {"new": [HIGH.id], "findings": 2, "silent": ["zizmor"]}
    assert await books.read(sent, "slipway.judge") == 1
    assert (await books.read(lambda session: session.get_one(PullRequest, (1, 5)))).changes == pull.changes + 1


async def test_a_scan_that_failed_ends_too_and_nobody_waits_for_it(books: Store) -> None:
    await books.write(scans.end, KEY, None, NOW, fault="GitHub answers with 502")

    assert not await books.read(scans.pending, KEY)
    assert await books.read(scans.leaked, KEY, NOW) is None
    assert await stands(books) == Unknown("GitHub answers with 502")
    assert (await books.read(last_line))["after"] == {"fault": "GitHub answers with 502"}


async def test_a_secret_that_was_seen_stands_although_the_scan_failed_after_it(books: Store) -> None:
    await books.write(scans.note_secrets, KEY, report(LEAK), NOW)
    await books.write(scans.end, KEY, None, NOW, fault="the fetch failed")
    assert await books.read(scans.leaked, KEY, NOW) == report(LEAK)


async def test_what_is_forgotten_is_scanned_again_and_not_passed_meanwhile(books: Store) -> None:
    await books.write(scans.end, KEY, report(), NOW)
    await books.write(scans.forget, KEY)
    assert await stands(books) == Unknown(SCANNING)
    assert await books.read(scans.pending, KEY)


async def test_each_end_that_is_told_is_a_run_of_its_own(books: Store) -> None:
    await books.write(scans.opened, KEY, 77)
    assert ((await row(books)).check_id, (await row(books)).run) == (77, 0)
    await books.write(scans.told, KEY, "digest")
    ended = await row(books)
    assert (ended.check_id, ended.told, ended.run) == (None, "digest", 1)


# ---- what people said of it


async def test_an_ack_counts_for_one_finding_at_this_head_only(books: Store) -> None:
    await books.write(scans.ask, 1, 5, NEXT, "synchronize", NOW)
    for key in (KEY, (1, 5, NEXT)):
        await books.write(scans.end, key, report(HIGH, COPY), NOW)

    await said(books, "ack", HIGH)

    assert await counted(books) == [COPY]
    assert await counted(books, (1, 5, NEXT)) == [HIGH, COPY]


async def test_an_ack_in_another_pull_request_with_this_head_is_not_for_this_one(books: Store) -> None:
    await books.write(scans.end, KEY, report(HIGH), NOW)
    await said(books, "ack", HIGH, number=6)
    assert await counted(books) == [HIGH]


async def test_what_is_ignored_passes_at_every_head_until_its_date(books: Store) -> None:
    await books.write(scans.end, KEY, report(HIGH), NOW)
    await said(books, "ignore", HIGH, number=4, sha=NEXT, until=NOW + 60)

    assert await counted(books) == []
    assert await counted(books, now=NOW + 59) == []
    assert await counted(books, now=NOW + 60) == [HIGH]


async def test_another_project_ignores_for_itself(books: Store) -> None:
    await books.write(scans.end, KEY, report(HIGH), NOW)
    await said(books, "ignore", HIGH, project_id=2, until=NOW + 60)
    assert await counted(books) == [HIGH]


@pytest.mark.parametrize("kind", ["approve", "override", "confirm"])
async def test_words_about_something_else_excuse_nothing(books: Store, kind: str) -> None:
    await books.write(scans.end, KEY, report(HIGH), NOW)
    await said(books, kind, HIGH)
    assert await counted(books) == [HIGH]


async def test_a_secret_that_somebody_looked_at_keeps_no_preview_from_starting(books: Store) -> None:
    await books.write(scans.note_secrets, KEY, report(LEAK), NOW)
    await said(books, "ack", LEAK)
    assert await books.read(scans.leaked, KEY, NOW) is None


@pytest.mark.parametrize(
    "found",
    [
        report(dataclasses.replace(LEAK, score=8.9)),  # may be a word
        report(dataclasses.replace(LEAK, kind="code")),
        report(dataclasses.replace(LEAK, suppressed="a fixed value")),
        report(known=(LEAK,)),  # in the base already
    ],
)
async def test_only_a_new_critical_secret_is_a_leak(books: Store, found: Report) -> None:
    await books.write(scans.note_secrets, KEY, found, NOW)
    assert await books.read(scans.leaked, KEY, NOW) is None


# ---- for the rules


async def test_the_rules_see_what_is_new_by_weight(books: Store) -> None:
    await books.write(scans.end, KEY, report(LEAK, HIGH, COPY, BAD, known=(OLD,)), NOW)
    assert await stands(books) == Scanned(critical=2, high=2, secrets=1, malware=1, at=NOW)

    await said(books, "ack", LEAK)
    assert await stands(books) == Scanned(critical=1, high=2, malware=1, at=NOW)


async def test_the_rules_see_no_scan_where_nobody_asked_for_one(books: Store) -> None:
    assert await stands(books, (1, 5, NEXT)) is None
    assert await stands(books) == Unknown(SCANNING)


async def test_a_scanner_that_gave_no_report_leaves_it_unknown(books: Store) -> None:
    silent = Ran("semgrep", fault="ended with exit code 2")
    await books.write(scans.end, KEY, report(ran=(RUFF, silent)), NOW)
    found = await stands(books)
    assert isinstance(found, Unknown)
    assert "semgrep (ended with exit code 2)" in found.why and "ruff" not in found.why


async def test_an_extra_that_gave_no_report_is_no_fault(books: Store) -> None:
    extra = Ran("trivy", fault="is not installed", needed=False)
    await books.write(scans.end, KEY, report(ran=(RUFF, extra)), NOW)
    assert await stands(books) == Scanned(at=NOW)


# ---- which one somebody means


@pytest.mark.parametrize(
    ("ident", "found"),
    [
        (HIGH.id, HIGH),  # exact, although the copy begins so, too
        (COPY.id, COPY),
        ("3f9a1c0b", "several"),
        ("11112222", LEAK),
        ("1111222", None),  # too short
        ("", None),
        ("deadbeef", None),
    ],
)
async def test_a_finding_is_named_by_the_beginning_of_its_id(books: Store, ident: str, found: object) -> None:
    await books.write(scans.end, KEY, report(HIGH, COPY, LEAK), NOW)
    assert await books.read(scans.finding, *KEY, ident) == found


async def test_a_secret_can_be_named_before_the_scan_has_ended(books: Store) -> None:
    await books.write(scans.note_secrets, KEY, report(LEAK), NOW)
    assert await books.read(scans.finding, *KEY, LEAK.id) == LEAK
    assert await books.read(scans.finding, 1, 5, NEXT, LEAK.id) is None
