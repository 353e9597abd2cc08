"""What a scan found, told to GitHub's code scanning: once a scan, and never in the way of its verdict."""

from __future__ import annotations

import asyncio
import gzip
import json

from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github import Repository
from bot.models import Scan
from bot.reports.once import once
from bot.scanners.findings import Report
from bot.scanners.sarif import write
from bot.store import Store

PATIENCE_SECONDS = 15.0  # that the check waits for it
LARGEST = 10_000_000  # bytes that GitHub takes, packed
RUNS, RESULTS = 20, 25_000  # in one file, and in one run
TAKEN, UNANSWERED, TOO_LARGE, BUSY = 202, 0, 413, 429


async def uploaded(store: Store, repository: Repository, row: Scan, report: Report, now: float) -> int:
    """Tell code scanning, unless it was told of this very scan.  TAKEN, or why not: a status, or UNANSWERED.

    Whatever it was is written down, and not tried again.  Only a crash in between makes it a second time, which does
    no harm: for the same commit and scanner GitHub puts the later one in the place of the first."""

    async def nowhere() -> int | None:
        return None

    key = f"sarif:{row.project_id}:{row.number}:{row.sha}:{row.ended_at}"
    status, _now = await once(store, key, now, nowhere, lambda: _told(repository, row, report))
    return status


async def _told(repository: Repository, row: Scan, report: Report) -> int:
    packed = await asyncio.to_thread(_packed, report, row.sha)
    if packed is None:
        return TOO_LARGE
    if not packed:
        return TAKEN  # no scanner had anything to look at
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await repository.upload_sarif(row.sha, f"refs/pull/{row.number}/head", packed)
    except GitHubRefused as error:
        return error.status
    except TryLater:
        return BUSY
    except (GitHubDown, TimeoutError):
        return UNANSWERED
    return TAKEN


def _packed(report: Report, sha: str) -> bytes | None:
    """None: GitHub would not take it.  Empty: there is nothing to tell."""
    log = write(report, sha)
    if len(log["runs"]) > RUNS or any(len(run["results"]) > RESULTS for run in log["runs"]):
        return None
    packed = gzip.compress(json.dumps(log, separators=(",", ":")).encode(), mtime=0) if log["runs"] else b""
    return packed if len(packed) <= LARGEST else None
