"""What code scanning is told, how often, and what it would not take."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.models import Scan
from bot.reports import upload
from bot.reports.upload import uploaded
from bot.scanners.findings import Finding, Ran, Report
from bot.store import Store, migrate

ROW = Scan(project_id=1, number=5, sha="a" * 40, asked_at=1.0, ended_at=2.0)
FOUND = Finding("ruff", "S608", "code", 8.0, "shop.py", 3, 3, "SQL", "0123456789abcdef:0")
REPORT = Report((FOUND,), frozenset(), (Ran("ruff"), Ran("zizmor", fault="took too long")))


class Repository:
    """GitHub's side of it, as far as it is needed here."""

    def __init__(self, *refusals: BaseException) -> None:
        self.refusals, self.got = list(refusals), list[tuple[str, str, bytes]]()

    async def upload_sarif(self, sha: str, ref: str, packed: bytes) -> None:
        self.got.append((sha, ref, packed))
        if self.refusals:
            raise self.refusals.pop(0)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/books.db"
    migrate(url)
    store = Store.open(url)
    yield store
    store.close()


async def told(books: Store, there: Repository, report: Report = REPORT, row: Scan = ROW) -> int:
    return await uploaded(books, there, row, report, 3.0)  # type: ignore[arg-type]


async def test_one_scan_is_told_once_for_the_pull_requests_head(books: Store) -> None:
    there = Repository()
    assert [await told(books, there), await told(books, there)] == [202, 202]

    ((sha, ref, packed),) = there.got
    assert (sha, ref) == (ROW.sha, "refs/pull/5/head")
    (run,) = json.loads(gzip.decompress(packed))["runs"]  # who gave no report does not say that all is mended
    assert run["tool"]["driver"]["name"] == "ruff" and len(run["results"]) == 1


async def test_the_next_scan_of_the_same_commit_is_told_again(books: Store) -> None:
    there = Repository()
    await told(books, there)
    await told(books, there, row=ROW.model_copy(update={"ended_at": 9.0}))
    assert len(there.got) == 2


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (GitHubRefused("no", 403), 403),
        (GitHubRefused("no", 413), 413),
        (GitHubDown("503"), 0),
        (TryLater("slow down", dt.datetime.now(dt.UTC)), 429),
        (TimeoutError(), 0),
    ],
    ids=repr,
)
async def test_what_was_refused_is_not_tried_again(books: Store, refusal: Exception, status: int) -> None:
    there = Repository(refusal)
    assert [await told(books, there), await told(books, there)] == [status, status]
    assert len(there.got) == 1


async def test_a_crash_before_it_was_noted_tells_the_very_same_again(books: Store) -> None:
    there = Repository(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await told(books, there)

    assert await told(books, there) == 202
    first, second = there.got
    assert first == second  # at GitHub the later one takes the place of the first


async def test_what_github_would_not_take_is_not_sent(books: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Repository()
    monkeypatch.setattr(upload, "LARGEST", 100)
    assert await told(books, there) == 413
    monkeypatch.undo()
    many = Report(REPORT.findings * 25_001, frozenset(), (Ran("ruff"),))
    assert await told(books, there, many, ROW.model_copy(update={"ended_at": 8.0})) == 413
    assert there.got == []


async def test_no_scanner_at_work_is_nothing_to_tell(books: Store) -> None:
    there = Repository()
    assert await told(books, there, Report()) == 202
    assert there.got == []
