"""Looks at what was just released until there is a verdict; what fails is rolled back, once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from bot import errands
from bot.models import Project, Release, Stage
from bot.releases.ask import Ask
from bot.releases.ground import LOG_LINES, Ground, entry
from bot.releases.rollback import SLIPWAY, Rollback
from bot.releases.verdict import OK, UNKNOWN, Seen, Watch, figures, figures_of, look, reason, verdict
from bot.store import environments, projects, releases, traffic
from bot.telemetry import redact
from runners.base import Instance, RunnerError, Traffic
from runners.base.folders import is_there

EVIDENCE = 10  # samples that are shown
GONE = "it does not run any more"
_log = logging.getLogger(__name__)


class Vigil:
    """One look a delivery; each look sends for the next in the transaction that notes it, so none is lost."""

    def __init__(self, ground: Ground, rollback: Rollback) -> None:
        self._ground, self._rollback, self._store = ground, rollback, ground.store

    async def __call__(self, release: str, n: int) -> None:
        """Look number `n` at a release; nothing happens when it serves no more, has a verdict, or was looked at."""
        row = await self._store.read(releases.watched, release, n)
        project = await self._store.read(projects.project, row.project_id) if row else None
        if row is None or project is None:
            return
        watch = await self._ground.watching(project, row.environment)
        seen, gone = await self._see(project, row)
        now = self._ground.clock()
        sample = (now, look(watch, seen), seen.figures())
        after = [(errands.watch(release, n + 1), now + watch.interval)]
        if gone:
            after.append((errands.revive(release, f"watch:{n}"), 0.0))
        row = await self._store.write(releases.measured, release, n, sample, after, now, seen=seen.now)
        if row is None:
            return
        stage = verdict(watch, (row.watch or {})["samples"], now - (row.live_at or now))
        if stage is Stage.FAILED:
            await self._failed(project, row, watch)
        elif stage is not None:
            await self._conclude(project, row, stage)

    async def _see(self, project: Project, row: Release) -> tuple[Seen, bool]:
        """What there is to judge, and whether it runs no more."""
        health, told = await self._health(project, row), row.watch or {}
        gone = health == GONE
        seen = Seen(
            health,
            stops=told.get("stops", 0) + gone,
            now=await self._traffic(row.id),
            last=Traffic.from_json(told.get("seen") or {}),
            before=Traffic.from_json(told.get("before") or {}),
        )
        return seen, gone

    async def _traffic(self, release: str) -> Traffic | None:
        try:
            return await self._store.read(traffic.of, release)
        except (SQLAlchemyError, ValueError, TypeError) as error:
            _log.warning("what visitors of release %s met can't be read: %s", release, error)
            return None

    async def _health(self, project: Project, row: Release) -> str:
        """ "ok", what is wrong, or "unknown" when it can't be told."""
        if row.instance is None:
            artifact = await self._ground.artifact(row.artifact)
            there = artifact is not None and await asyncio.to_thread(is_there, artifact)
            return OK if there else "its files are gone"
        instance = Instance.from_json(row.instance)
        try:
            if await self._ground.runner.healthy(instance):
                return OK
            running = {one.id for one in await self._ground.runner.instances()}
        except (RunnerError, OSError) as error:
            _log.warning("release %s can't be measured: %s", row.id, error)
            return UNKNOWN
        path = await self._ground.health_path(project, row.environment) or (row.plan or {}).get("health", "/")
        return f"{path} does not answer well" if instance.id in running else GONE

    async def _failed(self, project: Project, row: Release, watch: Watch) -> None:
        failure = await self._evidence(row, watch)
        if row.kind == "rollback":
            failure["message"] = f"{failure['message']} It is what was rolled back to, so nothing more is tried."
            await self._page(project, row, failure)
            return
        outcome = await self._rollback.automatically(project, row, failure)
        if not outcome.done and outcome.reason_code != "overtaken":
            failure["message"] = f"{failure['message']} {outcome.words}"
            await self._page(project, row, failure)

    async def _evidence(self, row: Release, watch: Watch) -> dict[str, Any]:
        told = row.watch or {}
        samples, log = told.get("samples", []), ""
        usual = figures(Traffic.from_json(told.get("before") or {}))
        if row.instance is not None:
            with contextlib.suppress(RunnerError, OSError):  # the way back waits for no log
                log = await self._ground.runner.logs(Instance.from_json(row.instance), LOG_LINES)
        log = log or await self._ground.log_end(row.id)
        return {
            "reason_code": "rolled_back",
            "step": "watch",
            "message": f"{row.sha[:7]} {reason(watch, samples)}.",
            "samples": samples[-EVIDENCE:],
            "figures": {**figures_of(samples[-1]), **({"before": usual} if usual else {})},
            "log": redact("\n".join(log.splitlines()[-LOG_LINES:])),
        }

    async def _page(self, project: Project, row: Release, failure: dict[str, Any]) -> None:
        """A person has to look now: it goes on serving, because nothing better is there."""
        _log.error("production of %s is failing and can't be rolled back: %s", project.full_name, failure["message"])
        hold = environments.Hold(str(failure["message"]), SLIPWAY.login)
        await self._conclude(
            project, row, Stage.FAILED, {**failure, "reason_code": "health_failed", "paged": True}, hold
        )

    async def _conclude(
        self,
        project: Project,
        row: Release,
        stage: Stage,
        failure: dict[str, Any] | None = None,
        hold: environments.Hold | None = None,
    ) -> None:
        now, guid = self._ground.clock(), f"watch:{row.id}"
        ask = Ask(project, row.number, row.environment, None, None, SLIPWAY, guid, now)
        samples = (row.watch or {})["samples"]
        after = {"samples": len(samples), **((failure or {}).get("figures") or figures_of(samples[-1]))}
        line = entry(f"release.{stage.value}", ask, row, now, after=after)
        settle = errands.settle(row.project_id, row.environment, f"{row.id}:{stage.value}")
        await self._store.write(
            releases.conclude, row.id, stage, line, now, failure=failure, hold=hold, errands=[(settle, 0.0)]
        )
