"""The clock: what should have happened and did not, and what is due.

Two rounds.  The near one compares the books with the backend and looks for what is idle; the far one asks GitHub.
We remove only what carries our own label, and never because somebody did not answer.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot.errands import Errand, look, rest, revive, watch
from bot.errors import GitHubDown, GitHubRefused, TryLater
from bot.github.shapes import Malformed, pull_of, repository_of
from bot.models import Delivery, Deployment, Installation, Project, PullRequest, Stage, State
from bot.releases.nights import night_of
from bot.reports.alerts import Alerts
from bot.service import Service
from bot.settings import Settings
from bot.store import audit, commands, deliveries, deployments, gates, nights, projects, releases, rows, scans, traffic
from bot.store.anchor import Anchor
from runners.base import Instance, Runner, RunnerError

NEAR_SECONDS = 30.0
METER_SECONDS = 15.0
FAR_SECONDS = 600.0
DELIVERIES_KEPT = 3 * 86400.0  # GitHub keeps failed deliveries for three days
BODIES_KEPT = 7 * 86400.0
_log = logging.getLogger(__name__)


class Sweeper:
    """Runs beside the worker; what is to be done goes through the queue like everything else."""

    def __init__(self, settings: Settings, service: Service, runner: Runner, clock: Callable[[], float]) -> None:
        self._settings, self._service, self._runner, self._clock = settings, service, runner, clock
        self._store, self._github = service.store, service.github
        self._anchor = Anchor(settings.anchor, settings.home.absolute())
        self._alerts = Alerts(settings.alert_webhook, service.previews.money, self._store, clock)
        self._starting = True  # no round has ended yet
        self._strangers: set[str] = set()  # instances without a row, seen in the last round

    async def run(self) -> None:
        """Sweep until cancelled; both rounds at once at the start."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(NEAR_SECONDS, self.near))
            group.create_task(self._every(METER_SECONDS, self.meter))
            group.create_task(self._every(FAR_SECONDS, self.far))
            group.create_task(self._every(NEAR_SECONDS, self.anchor))  # by itself: its disk may be a slow one

    async def _every(self, seconds: float, sweep: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await sweep()
            except Exception:  # one bad round must not stop the clock
                _log.exception("a sweep failed; the next one comes in %.0f s", seconds)
            await asyncio.sleep(seconds)

    async def clear(self) -> None:
        """Before any work is begun: stop what a former life of ours was starting when it was killed."""
        try:
            running = await self._runner.instances()
        except RunnerError as error:
            _log.warning("the backend does not answer: %s", error)
            return
        known = await self._store.read(_instances)
        await self._stop([one for one in running if one.id not in known])

    async def near(self) -> None:
        """Idle and expired previews; instances without a row, rows without an instance; old bodies."""
        now = self._clock()
        held = await self._store.read(deployments.held)
        kept = await self._store.read(commands.kept, now)
        lives = [await self._service.previews.lifetime(row) for row in held]
        due = (self._due(row, now, kept, life) for row, life in zip(held, lives, strict=True))
        await self._service.send(*(one for one in due if one))
        await self._service.send(*await self._store.read(_left_over))
        await self._service.send(*await self._store.read(_unwatched, str(int(now))))
        for row in await self._store.read(_unfinished):
            await self._service.previews.refresh.abandon(row.delivery, "The work on it ended without a result.")
        while await self._store.write(deliveries.purge, now - BODIES_KEPT) >= 200:
            pass
        await self._store.write(traffic.forget, now)
        await self._store.write(gates.ask_stuck, now)
        await self._store.write(scans.ask_stuck, now)
        try:
            running = await self._runner.instances()
        except RunnerError as error:
            _log.warning("the backend does not answer: %s", error)
            return
        await self._stop_strangers(running)
        await self._note_dead(held, running)
        dead = await self._service.releases.dead(running, starting=self._starting)
        self._starting = False
        await self._service.send(*(revive(row.id, str(int(now))) for row in dead))

    async def meter(self) -> None:
        """Book what runs has used.  Where a budget is used up its previews sleep; where it renewed they may wake."""
        previews, now = self._service.previews, self._clock()
        for deployment, over in await previews.spending.look():
            reason = f"budget:{over.standing.period.start:.0f}:{int(now // 60)}"  # again when it came to nothing
            await self._service.send(rest(deployment, "sleep", reason, now))
        for deployment in await previews.spending.unpaid():
            await previews.renewed(deployment)
        await self._alerts.tell()

    async def anchor(self) -> None:
        """Write down, where nobody here can change it, how far the books have come."""
        line = await self._anchor.note(await self._store.read(audit.head), self._clock())
        where = self._settings.audit_repository
        if line is not None and where is not None:
            await self._show(line, where)

    async def _show(self, line: str, where: str) -> None:
        """The same checkpoint as a check run at GitHub, where whoever has this machine can't take it back."""
        project = await self._store.read(rows.project_named, where)
        if project is None:
            _log.warning("SLIPWAY_AUDIT_REPOSITORY names %s, which is not served here", where)
            return
        repository = self._github.repository(project.installation_id, project.id, project.full_name)
        try:
            sha = await repository.branch_head(project.default_branch)
            await repository.create_check(
                "slipway/audit",
                sha,
                "audit",
                status="completed",
                conclusion="success",
                title="Checkpoint of the books",
                summary="How far Slipway's books have come, signed.",
                text=line,
            )
        except (GitHubDown, GitHubRefused, TryLater) as error:
            _log.warning("the checkpoint is in the file only, GitHub did not take it: %s", error)

    def _due(self, row: Deployment, now: float, kept: set[tuple[int, int]], lifetime: float) -> Errand | None:
        rested = now - row.active_at
        reason = f"{row.active_at}:{int(now // 3600)}"  # not twice an hour, and again when it came to nothing
        if (row.project_id, row.number) not in kept and rested > lifetime:
            return rest(row.id, "expire", reason, row.active_at)
        if row.instance is not None and row.state is not State.ASLEEP and rested > self._settings.idle_minutes * 60:
            return rest(row.id, "sleep", reason, row.active_at)
        return None

    async def _stop_strangers(self, running: list[Instance]) -> None:
        """Instances that no row accounts for, seen twice: one of them may be going just now."""
        known, starting = await self._store.read(_instances), await self._store.read(_starting)
        strangers = [one for one in running if one.id not in known and one.deployment not in starting]
        await self._stop([one for one in strangers if one.id in self._strangers])
        self._strangers = {one.id for one in strangers}

    async def _stop(self, strangers: list[Instance]) -> None:
        for one in strangers:
            _log.warning("stopping %s, which deployment %s does not account for", one.id, one.deployment)
            await self._runner.stop(one)

    async def _note_dead(self, held: list[Deployment], running: list[Instance]) -> None:
        """Rows whose instance is gone: the next request starts it again."""
        alive = {one.id for one in running}
        for row in held:
            if row.instance is not None and row.instance["id"] not in alive:
                _log.warning("the instance of %s is gone; the next request starts it again", row.id)
                await self._service.previews.note_gone(row.id, row.instance["id"])

    async def far(self) -> None:
        """Ask GitHub for what we may have missed: repositories, pull requests, deliveries.  What scans left goes.

        Once a night what serves is looked up again."""
        await self._service.scan_check.forget()
        await self._service.send(*await self._store.read(nights.due, night_of(self._clock())))
        try:
            await self._look_at_installations()
            await self._ask_again()
        except (GitHubDown, GitHubRefused, TryLater) as error:
            _log.warning("GitHub could not be asked what we missed: %s", error)

    async def _look_at_installations(self) -> None:
        for raw in await self._github.installations():
            if not isinstance(raw.get("id"), int) or raw.get("suspended_at"):
                continue
            await self._store.write(projects.note_installation, _installation(raw), self._clock())
            try:
                await self._look_at_repositories(raw["id"])
            except (GitHubDown, GitHubRefused) as error:
                _log.warning("installation %s could not be looked at: %s", raw["id"], error)

    async def _look_at_repositories(self, installation: int) -> None:
        for raw in await self._github.installation_repositories(installation):
            try:
                project = repository_of(raw, installation)
            except Malformed:
                continue
            await self._store.write(projects.note_project, project, self._clock())
            if project.state != "active":
                continue
            repository = self._github.repository(installation, project.id, project.full_name)
            try:
                listed = await repository.open_pulls()
            except (GitHubDown, GitHubRefused) as error:
                _log.warning("%s could not be looked at: %s", project.full_name, error)
                continue
            await self._compare(project, listed)

    async def _compare(self, project: Project, listed: list[dict[str, Any]]) -> None:
        """Open at GitHub and not here, or the other way round: look at each by itself."""
        here = await self._store.read(_open_here, project.id)
        seen: set[int] = set()
        hour = int(self._clock() // 3600)
        since = dt.datetime.fromtimestamp(self._clock() - self._settings.ttl_hours * 3600, dt.UTC)
        errands = []
        for raw in listed:
            try:
                pull = pull_of(raw, project.id)
            except Malformed:
                continue
            seen.add(pull.number)
            fresh = pull.updated_at >= since.strftime("%Y-%m-%dT%H:%M:%SZ")
            if fresh and here.get(pull.number) != pull.head_sha:
                reason = f"{pull.head_sha}:{pull.updated_at}:{hour}"
                errands.append(look(project.id, pull.number, reason, pull.updated_at))
        errands += [look(project.id, number, f"open:{hour}") for number in here.keys() - seen]
        await self._service.send(*errands)

    async def _ask_again(self) -> None:
        since = self._clock() - DELIVERIES_KEPT
        for delivery in await self._github.failed_deliveries(since):
            guid, ident = delivery.get("guid"), delivery.get("id")
            if isinstance(ident, int) and not await self._store.read(_seen, str(guid)):
                _log.info("asking GitHub to send %s again", guid)
                await self._github.redeliver(ident)


def _installation(raw: Mapping[str, Any]) -> Installation:
    account = raw.get("account")
    login = account.get("login") if isinstance(account, Mapping) else ""
    return Installation(id=raw["id"], account=str(login or ""))


def _instances(session: Session) -> set[str]:
    """Ids of the instances that deployments have."""
    previews = {row.instance["id"] for row in deployments.held(session) if row.instance}
    return previews | releases.running(session)


def _starting(session: Session) -> set[str]:
    """Ids of the deployments that an instance is just being started for."""
    working = session.exec(select(Deployment.id).where(col(Deployment.state).in_(deployments.WORKING)))
    wakes = session.exec(select(Delivery.key).where(text("state = 'running'"), col(Delivery.key).startswith("wake:")))
    return {*working, *(key.removeprefix("wake:") for key in wakes)} | releases.running(session)


def _unfinished(session: Session) -> list[Deployment]:
    """Deployments that wait for work which no delivery will do any more."""
    rows = session.exec(select(Deployment).where(col(Deployment.state).in_(deployments.WORKING))).all()
    return [row for row in rows if not deliveries.busy(session, f"{row.project_id}#{row.number}")]


def _left_over(session: Session) -> list[Errand]:
    """Replaced deployments whose instance has still to be stopped."""
    rows = [row for row in deployments.held(session) if deployments.left_over(session, row)]
    return [rest(row.id, "sleep", f"left:{(row.instance or {})['id']}", row.active_at) for row in rows]


def _unwatched(session: Session, reason: str) -> list[Errand]:
    """Looks at what is being watched whose delivery has failed for good: nothing else would send for the next."""
    watched = [row for row in releases.serving(session) if row.state is Stage.VERIFYING]
    due = [watch(row.id, (row.watch or {}).get("n", 0), reason) for row in watched]
    return [one for one in due if not deliveries.busy(session, one.order.key)]


def _open_here(session: Session, project_id: int) -> dict[int, str]:
    """Pull requests that are open in the books -> the commit that was dealt with ("" for none)."""
    query = select(PullRequest).where(PullRequest.project_id == project_id, PullRequest.state == "open")
    found = {}
    for pull in session.exec(query):
        newest = session.get(Deployment, pull.displayed) if pull.displayed else None
        found[pull.number] = newest.sha if newest and not _replaced(newest) else ""
    return found


def _replaced(row: Deployment) -> bool:
    """It ended because of something newer, which is what we look for; what somebody stopped is dealt with."""
    return row.state is State.CANCELLED and row.failure is None


def _seen(session: Session, guid: str) -> bool:
    return session.exec(select(Delivery.id).where(Delivery.guid == guid)).first() is not None
