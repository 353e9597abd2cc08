"""The check run `slipway/scan`: opened before the scan begins, and it always ends.

What has ended is never opened again: when a person excuses a finding later, another run says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlmodel import Session

from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github import GitHub, Repository
from bot.github.shapes import pull_of
from bot.messages import Check
from bot.messages import scan as words
from bot.messages.scan import CHECK, Limits
from bot.models import Project, PullRequest, Scan
from bot.permissions.author import machine
from bot.permissions.policies import Policies
from bot.policy import scanning
from bot.reports.once import once
from bot.reports.upload import TAKEN, uploaded
from bot.scanners.findings import Report
from bot.store import Store, projects, scans

ENVIRONMENT = "production"  # whose limits the check goes by


class Scanner(Protocol):
    """Scans a head and keeps what it found in the books.  `base`: the tip of the branch that it is to be merged into.

    `trusted`: who wrote it may excuse findings in the code itself.  `scanners`: those that the policy names."""

    async def __call__(
        self,
        project: Project,
        repository: Repository,
        pull: PullRequest,
        *,
        base: str | None,
        commits: int | None,
        trusted: bool,
        scanners: Sequence[scanning.Scanner] = (),
    ) -> None: ...

    async def forget(self) -> None:
        """Let go of what is kept for scans and that none will ask for."""


class ScanCheck:
    """Has heads scanned and tells GitHub.  `scan` None: this server does not."""

    def __init__(
        self,
        store: Store,
        github: GitHub,
        policies: Policies,
        scan: Scanner | None,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._github, self._policies, self._scan, self._clock = store, github, policies, scan, clock

    async def __call__(self, project_id: int, number: int) -> None:
        """Look at a pull request's head.  Raises GitHubDown, GitHubRefused, TryLater."""
        project = await self._store.read(projects.project, project_id)
        if project is None or project.state != "active":
            return
        repository = self._github.repository(project.installation_id, project.id, project.full_name)
        raw = await repository.pull(number)
        pull = pull_of(raw, project.id)
        merge = raw.get("merge_commit_sha") if pull.state == "merged" else None
        wanted = {pull.head_sha, merge} if pull.state != "closed" else set()
        for row in await self._store.read(scans.of_pull, project.id, number):
            if row.sha in wanted:
                uploads = (
                    row.sha == pull.head_sha
                )  # a merge is its branch's, where a part of the files would pass for all
                await self._look(project, repository, pull.model_copy(update={"head_sha": row.sha}), raw, row, uploads)
            elif row.check_id is not None:  # nobody scans it any more
                await self._tell(repository, row, row.check_id, [words.left(row.sha)])

    async def _look(
        self,
        project: Project,
        repository: Repository,
        pull: PullRequest,
        raw: Mapping[str, Any],
        row: Scan,
        uploads: bool,
    ) -> None:
        if row.ended_at is None and self._scan is not None:
            await self._open(repository, row)
            await self._ask(self._scan, project, repository, pull, raw)
        await self._end(project, repository, _key(row), uploads=uploads)

    async def _ask(
        self, scan: Scanner, project: Project, repository: Repository, pull: PullRequest, raw: Mapping[str, Any]
    ) -> None:
        held = await self._policies.held(project)
        agent = await machine(repository, pull, raw, held.effective)
        base, commits = raw.get("base"), raw.get("commits")
        tip = base.get("sha") if isinstance(base, Mapping) else None
        await scan(
            project,
            repository,
            pull,
            base=tip if isinstance(tip, str) else None,
            commits=commits if isinstance(commits, int) else None,
            trusted=agent is None and not pull.fork,
            scanners=held.effective.scan.scanners,
        )

    async def _open(self, repository: Repository, row: Scan) -> int:
        """The run that goes on."""
        if row.check_id is not None:
            return row.check_id
        row.check_id = await self._made(repository, row, words.going(row.sha), f"{row.number}:{row.run}")
        await self._store.write(scans.opened, _key(row), row.check_id)
        return row.check_id

    async def _made(self, repository: Repository, row: Scan, said: Check, ident: str) -> int:
        made, _now = await once(
            self._store,
            f"scan:{row.project_id}:{row.sha}:{ident}",
            self._clock(),
            lambda: repository.find_check(row.sha, CHECK, ident),
            lambda: repository.create_check(
                CHECK, row.sha, ident, status=said.status, title=said.title, summary=said.summary
            ),
        )
        return made

    async def _end(self, project: Project, repository: Repository, key: scans.Key, *, uploads: bool = False) -> None:
        """Say what stands now; the same once more is not said."""
        row, report = await self._store.read(_standing, key, self._clock())
        effective = (await self._policies.held(project)).effective
        terms, status = effective.terms(ENVIRONMENT).scan, TAKEN
        if uploads and report is not None and effective.scan.upload:
            status = await uploaded(self._store, repository, row, report, self._clock())
        limits = Limits(terms.critical, terms.high, terms.medium, terms.low, terms.secrets, terms.malware)
        untold = words.untold(status) if status != TAKEN else ""
        said = words.checks(report, limits, row.sha, fault=row.fault, untold=untold)
        if row.check_id is None and _digest(said[0]) == row.told:
            return
        await self._tell(repository, row, await self._open(repository, row), said)

    async def _tell(self, repository: Repository, row: Scan, run: int, said: list[Check]) -> None:
        """Several of them say the same: GitHub takes so many annotations at a time, and appends them."""
        for one in said:
            await repository.update_check(
                run,
                status=one.status,
                conclusion=one.conclusion,
                title=one.title,
                summary=one.summary,
                text=one.text,
                annotations=one.annotations,
            )
        await self._store.write(scans.told, _key(row), _digest(said[0]))

    async def forget(self) -> None:
        """Tidy up where scans are made."""
        if self._scan is not None:
            await self._scan.forget()

    async def abandon(self, project_id: int, number: int, reason: str) -> None:
        """The last try failed by a fault of ours: the check ends all the same, and no report is no pass."""
        project = await self._store.read(projects.project, project_id)
        if project is None:
            return
        repository = self._github.repository(project.installation_id, project.id, project.full_name)
        for row in await self._store.read(scans.of_pull, project_id, number):
            if row.ended_at is None:
                await self._store.write(scans.end, _key(row), None, self._clock(), fault=reason)
            if row.check_id is not None:
                try:
                    await self._end(project, repository, _key(row))
                except (GitHubRefused, GitHubDown, TryLater):
                    continue  # it is not ours to tell any more; or the clock tells it


def _standing(session: Session, key: scans.Key, now: float) -> tuple[Scan, Report | None]:
    return session.get_one(Scan, key), scans.report(session, key, now)


def _key(row: Scan) -> scans.Key:
    return row.project_id, row.number, row.sha


def _digest(said: Check) -> str:
    spoken = "\0".join((str(said.conclusion), said.title, said.summary))
    return hashlib.sha256(spoken.encode("utf-8", "replace")).hexdigest()[:16]
