"""GitHub shows what the books say: comment, check runs and Deployments are compared with the rows and brought in line.

Every change of a pull request's rows counts up `PullRequest.changes`; whoever lags in `told` is told again.  So a crash
loses no report, fifty changes become a few edits, and a decoration that fails never stops a deploy.  Each thing made
at GitHub has a key written down first (`Effect`); after a crash, or an answer that got lost, it is looked up at GitHub
before it is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github import GitHub, Repository
from bot.hosts import commit_label, environment_label, pull_label
from bot.messages import CHECK, MARKER, View, check, comment, production, remote
from bot.messages.commands import ANSWERS
from bot.models import Deployment, Effect, PullRequest, Release, State
from bot.reports.lines import scanned, with_money, with_wants
from bot.reports.once import once
from bot.scanners.dependencies import Late
from bot.settings import Settings
from bot.store import Store, commands, deployments, environments, nights, releases
from bot.store.money import Account
from runners.base.logs import end_of

EDIT_SECONDS = 3.0  # between two edits of one comment: GitHub allows 80 writes a minute and 500 an hour
PATIENCE_SECONDS = 1.0  # what is live sooner needs no comment that says "building"
AT_ONCE = 8  # pull requests told side by side
SOON_SECONDS, LATEST_SECONDS = 2.0, 60.0  # after GitHub refused or was down: half of the time it has been so
BELIEVED_SECONDS = 900.0  # a refusal that lasts so long is one
AFTER_TROUBLE = 1.0  # seconds until the database is asked again
ASKED = "asked"  # what GitHub was told of a thing that it may have made, but whose id has not reached us
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Due:
    """When to come again; a new change comes at once, unless GitHub itself asked us to wait."""

    at: float
    changes: int | None = None  # the count that was looked at; None: nothing hastens it


class Reports:
    """Tells GitHub; one pull request at a time each, at most a few side by side."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        github: GitHub,
        isolates: Callable[[], bool],
        clock: Callable[[], float] = time.time,
        account: Callable[[int, int], Awaitable[Account]] | None = None,
    ) -> None:
        self._settings, self._store, self._github, self._account = settings, store, github, account
        self._isolates, self._clock = isolates, clock
        self._due: dict[tuple[int, int], _Due] = {}  # pulls that wait for their time
        self._telling: dict[tuple[int, int], asyncio.Task[_Due | None]] = {}
        self._failed: dict[tuple[int, int], float] = {}  # since when they can't be told

    async def run(self) -> None:
        """Tell until cancelled; woken by every change of the books."""
        try:
            while True:
                seen = self._store.changed
                try:
                    pause = await self._round()
                except DBAPIError:
                    log.exception("what there is to tell can't be read; trying again")
                    await asyncio.sleep(AFTER_TROUBLE)
                    continue
                await self._wait(seen, pause)
        finally:
            for task in self._telling.values():
                task.cancel()
            await asyncio.gather(*self._telling.values(), return_exceptions=True)

    async def _round(self) -> float:
        for key, task in list(self._telling.items()):
            if task.done():
                del self._telling[key]
                again = self._outcome(key, task)
                self._due.pop(key, None)
                if again is not None:
                    self._due[key] = again
        now = self._clock()
        waiting = []
        for project_id, number, changes in await self._store.read(_untold):
            key, due = (project_id, number), self._due.get((project_id, number))
            if key in self._telling or len(self._telling) >= AT_ONCE:
                continue
            if due is not None and due.at > now and due.changes in (None, changes):
                waiting.append(due.at - now)
            else:
                self._telling[key] = asyncio.create_task(self._tell(project_id, number))
        return max(0.02, min(waiting, default=5.0))

    async def _wait(self, seen: int, seconds: float) -> None:
        changed = asyncio.create_task(self._store.wait_changed(seen, seconds))
        try:
            await asyncio.wait({changed, *self._telling.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    def _outcome(self, key: tuple[int, int], task: asyncio.Task[_Due | None]) -> _Due | None:
        if task.cancelled():
            return None
        error = task.exception()
        if error is not None:  # a fault of ours must not silence the other pull requests
            log.error("telling %s#%s failed", *key, exc_info=error)
            return self._later(key)
        return task.result()

    async def _tell(self, project_id: int, number: int) -> _Due | None:
        """Bring GitHub in line for one pull request.  Returns when to come again, or None when all is told."""
        standing = await self._store.read(deployments.standing, project_id, number)
        if standing is None:
            return None
        key, counted, project = (project_id, number), standing.pull.changes, standing.project
        again: _Due | None = None
        try:
            if project.state == "active":  # else GitHub takes nothing from us: archived, or not ours any more
                repository = self._github.repository(project.installation_id, project.id, project.full_name)
                again = await self._told(standing, repository)
        except TryLater as error:
            return _Due(error.until.timestamp())
        except GitHubDown as error:
            log.warning("could not tell %s#%s: %s", project.full_name, number, error)
            return self._later(key, counted)
        except GitHubRefused as error:
            if self._clock() < self._failed.get(key, self._clock()) + BELIEVED_SECONDS:
                log.warning("could not tell %s#%s: %s", project.full_name, number, error)
                return self._later(key, counted)
            log.warning("%s#%s is told no more until it changes: %s", project.full_name, number, error)
        self._failed.pop(key, None)
        if again is None:
            await self._store.write(_all_told, project_id, number, counted)
        return again

    def _later(self, key: tuple[int, int], changes: int | None = None) -> _Due:
        now = self._clock()
        lasts = now - self._failed.setdefault(key, now)
        return _Due(now + min(LATEST_SECONDS, max(SOON_SECONDS, lasts / 2)), changes)

    async def _told(self, standing: deployments.Standing, repository: Repository) -> _Due | None:
        """Raises what GitHub answered when it refused something; all else is told nevertheless."""
        newest, refused = standing.newest, list[GitHubRefused]()
        again: _Due | None = None
        for release, serves in await self._store.read(releases.with_serving, standing.project.id, standing.pull.number):
            with _going_on(refused):
                await self._release(standing, release, serves, repository)
        for row in await self._store.read(_unsettled, standing.project.id, standing.pull.number):
            if newest is None or row.id != newest.id:
                with _going_on(refused):
                    await self._check(standing, row, repository)
                with _going_on(refused):
                    await self._deployment(standing, row, repository)
        if newest is not None and not newest.state.ended and not newest.live_at and self._young(newest):
            again = _Due(newest.received_at + PATIENCE_SECONDS, standing.pull.changes)
        elif newest is not None:
            with _going_on(refused):
                await self._check(standing, newest, repository)
            with _going_on(refused):
                again = await self._comment(standing, newest, repository)
            with _going_on(refused):
                await self._deployment(standing, newest, repository)
        if refused:
            raise refused[0]
        return again

    def _young(self, deployment: Deployment) -> bool:
        return self._clock() < deployment.received_at + PATIENCE_SECONDS

    async def _deployment(self, standing: deployments.Standing, row: Deployment, repository: Repository) -> None:
        """GitHub's Deployment of one deployment of ours."""
        state, words = remote(row)
        if row.remote_told == state or (row.remote_told is None and state == "inactive"):
            return
        view = self._view(standing, row, "")
        ident = row.remote_id
        if ident is None:
            about = f"Preview of #{row.number}"
            ident, _made = await self._once(
                f"deployment:{row.id}",
                lambda: repository.find_deployment(row.sha, row.environment, row.id),
                lambda: repository.create_deployment(
                    row.sha, row.environment, about, {"slipway": row.id}, transient=True
                ),
                functools.partial(_note, deployment=row.id, fields={"remote_told": ASKED}),
            )
            await self._store.write(_note, row.id, {"remote_id": ident})
        await repository.set_deployment_status(
            ident, state, description=words, environment_url=view.commit_url, log_url=view.log_url
        )
        await self._store.write(_note, row.id, {"remote_told": state})

    async def _release(
        self, standing: deployments.Standing, row: Release, serves: bool, repository: Repository
    ) -> None:
        """GitHub's Deployment of one release."""
        state, words = production.remote(row, serves)
        if row.remote_told == state or (row.remote_told is None and state == "inactive"):
            return
        ident = row.remote_id
        if ident is None:
            about = f"#{row.number}, {row.kind}"
            ident, _made = await self._once(
                f"release:{row.id}",
                lambda: repository.find_deployment(row.sha, row.environment, row.id),
                lambda: repository.create_deployment(
                    row.sha, row.environment, about, {"slipway": row.id}, transient=False
                ),
                functools.partial(releases.note, release=row.id, fields={"remote_told": ASKED}),
            )
            await self._store.write(releases.note, row.id, {"remote_id": ident})
        await repository.set_deployment_status(
            ident, state, description=words, environment_url=self._release_url(standing, row.environment)
        )
        await self._store.write(releases.note, row.id, {"remote_told": state})

    def _release_url(self, standing: deployments.Standing, environment: str) -> str:
        return self._settings.preview_url(environment_label(environment, standing.project.owner, standing.project.name))

    async def _production(self, standing: deployments.Standing) -> production.Production | None:
        """What the comment says of production; nothing where the pull request was never released."""
        project, number = standing.project, standing.pull.number
        mine = await self._store.read(releases.of_pull, project.id, number)
        if not mine:
            return None
        env, current = await self._store.read(environments.look, project.id, mine[-1].environment)
        promoted = [one for one in mine if one.kind == "promote"] or mine
        late: list[Late] = []
        if current is not None and current.number == number:
            late = await self._store.read(nights.late, (project.id, number, current.sha), self._clock())
        return production.Production(number, env, current, promoted[-1], self._release_url(standing, env.name), late)

    async def _check(self, standing: deployments.Standing, row: Deployment, repository: Repository) -> None:
        if row.check_told is None and row.state is State.CANCELLED:
            return  # nothing was ever promised about it
        text = await asyncio.to_thread(end_of, self._log(row.id)) if row.state.ended else ""
        view = self._view(standing, row, text)
        said = check(view)
        if row.check_told == said.told or (row.check_told or "").startswith("completed"):
            return
        write = functools.partial(
            repository.update_check,
            status=said.status,
            conclusion=said.conclusion,
            title=said.title,
            summary=said.summary,
            text=said.text,
            details_url=view.log_url,
            annotations=said.annotations,
            actions=said.actions,
        )
        ident, made = row.check_id, False
        if ident is None:
            ident, made = await self._once(
                f"check:{row.id}",
                lambda: repository.find_check(row.sha, CHECK, row.id),
                lambda: repository.create_check(CHECK, row.sha, row.id, **write.keywords),
                functools.partial(_note, deployment=row.id, fields={"check_told": ASKED}),
            )
        if not made:
            await write(ident)
        await self._store.write(_note, row.id, {"check_id": ident, "check_told": said.told})

    async def _comment(self, standing: deployments.Standing, newest: Deployment, repository: Repository) -> _Due | None:
        pull = standing.pull
        text = await asyncio.to_thread(end_of, self._log(newest.id))
        view, seen = self._view(standing, newest, text), await self._production(standing)
        if seen is not None:
            told = production.block(seen)
            view = dataclasses.replace(view, production=told, production_twin=production.twin(seen))
        rewrites = await self._store.read(commands.rewrites, pull.project_id, pull.number)
        seen_by = await self._store.read(scanned, newest, self._clock())
        view = dataclasses.replace(view, rewrites=rewrites, **seen_by)
        view = await self._store.read(with_wants, view, standing.project)
        if self._account is not None:
            view = with_money(view, await self._account(pull.project_id, pull.number), self._clock())
        body = comment(view)
        digest = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()
        if digest == pull.comment_digest:
            return None
        if self._clock() < pull.comment_at + EDIT_SECONDS:
            return _Due(pull.comment_at + EDIT_SECONDS, pull.changes)
        key = f"comment:{pull.project_id}#{pull.number}"
        ident, made = pull.comment_id, False
        if ident is None:
            ident, made = await self._once(
                key,
                lambda: repository.find_comment(pull.number, MARKER, unless=ANSWERS),
                lambda: repository.create_comment(pull.number, body),
            )
        try:
            if not made:
                await repository.update_comment(ident, body)
        except GitHubRefused as error:
            if error.status != 404:
                raise
            await self._store.write(_forget_comment, pull.project_id, pull.number, key)  # a person deleted it
            return _Due(self._clock())
        await self._store.write(_commented, newest, ident, digest, self._clock())
        return None

    async def _once(
        self,
        key: str,
        find: Callable[[], Awaitable[int | None]],
        make: Callable[[], Awaitable[int]],
        note: Callable[[Session], None] | None = None,
    ) -> tuple[int, bool]:
        return await once(self._store, key, self._clock(), find, make, note)

    def _view(self, standing: deployments.Standing, row: Deployment, text: str) -> View:
        project, serving = standing.project, standing.serving
        return View(
            pull=standing.pull,
            deployment=row,
            serving=serving if serving and serving.id != row.id else None,
            url=self._settings.preview_url(pull_label(standing.pull.number, project.owner, project.name)),
            commit_url=self._settings.preview_url(commit_label(row.sha, project.owner, project.name)),
            log_url=f"{self._settings.public_url}/deployments/{row.id}",
            isolates=self._isolates(),
            log=text,
        )

    def _log(self, deployment: str) -> Path:
        return self._settings.home.absolute() / "logs" / f"{deployment}.log"


@contextlib.contextmanager
def _going_on(refused: list[GitHubRefused]) -> Iterator[None]:
    """What GitHub refuses of one thing must not keep the others untold."""
    try:
        yield
    except GitHubRefused as error:
        refused.append(error)


def _untold(session: Session) -> list[tuple[int, int, int]]:
    query = select(PullRequest.project_id, PullRequest.number, PullRequest.changes)
    rows = session.exec(query.where(col(PullRequest.told) < col(PullRequest.changes)))
    return [(project_id, number, changes) for project_id, number, changes in rows]


def _unsettled(session: Session, project_id: int, number: int) -> list[Deployment]:
    """Deployments whose state GitHub may not show yet."""
    query = select(Deployment).where(Deployment.project_id == project_id, Deployment.number == number)
    return [row for row in session.exec(query.order_by(col(Deployment.received_at))) if not _settled(row)]


def _settled(row: Deployment) -> bool:
    if row.check_told is None and row.remote_told is None and row.state is State.CANCELLED:
        return True  # nothing was ever said about it
    shown = row.remote_told == remote(row)[0] or (row.remote_told is None and remote(row)[0] == "inactive")
    return shown and (row.check_told or "").startswith("completed")


def _all_told(session: Session, project_id: int, number: int, counted: int) -> None:
    session.get_one(PullRequest, (project_id, number)).told = counted


def _note(session: Session, deployment: str, fields: dict[str, object]) -> None:
    row = session.get_one(Deployment, deployment)
    for field, value in fields.items():
        setattr(row, field, value)


def _commented(session: Session, shown: Deployment, ident: int, digest: str, now: float) -> None:
    """GitHub has taken the comment.  `shown` is what it was made of, not what has become of that since."""
    pull = session.get_one(PullRequest, (shown.project_id, shown.number))
    pull.comment_id, pull.comment_digest, pull.comment_at = ident, digest, now
    if shown.state in deployments.SERVING:
        releases.note_display(session, shown, now)


def _forget_comment(session: Session, project_id: int, number: int, key: str) -> None:
    session.get_one(PullRequest, (project_id, number)).comment_id = None
    row = session.get(Effect, key)
    if row is not None:
        session.delete(row)
