"""A revision's tree becomes an artifact, once: the same tree and plan in one project are never built twice."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from sqlmodel import Session

from bot import telemetry
from bot.models import Build
from bot.store import Store
from runners.base import Artifact, BuildFailed, Limits, Log, Plan, Runner, Source
from runners.base.folders import is_there
from runners.frameworks import NotDetected, Tree, detect


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """An artifact, and how it was come by."""

    artifact: Artifact
    plan: Plan
    reused: bool
    seconds: float


class Builds:
    """Detection, then the backend's build, with what was built before kept in the books."""

    def __init__(self, store: Store, runner: Runner, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._store, self._runner, self._limits, self._clock = store, runner, limits, clock

    async def plan(self, tree: Path) -> Plan:
        """What the files say.  Raises BuildFailed with what was looked for."""
        try:
            # Those that isolate run images; the other one has nothing but the machine's own programs.
            return await asyncio.to_thread(lambda: detect(Tree.read(tree), images=self._runner.isolates))
        except NotDetected as error:
            raise BuildFailed(str(error), step="detect", hint=error.hint, path=error.path, line=error.line) from error

    async def make(self, project_id: int, tree: Path, tree_hash: str, plan: Plan, log: Log, *, apart: str = "") -> Made:
        """The artifact of a tree.  Raises BuildFailed.

        `apart` names who shares nothing with the project's own builds: what a fork built or cached stays the fork's."""
        if plan.kind in ("worker", "cli") or (plan.kind == "multi" and not plan.shown):
            hint = "A preview needs something that answers HTTP: add a Procfile with a line such as: web: python app.py"
            raise BuildFailed(f"This is a {plan.kind} project; there is nothing to open.", step="detect", hint=hint)
        scope = f"{project_id}{apart}"
        key = _key(scope, tree_hash, plan, self._runner.name)
        known = await self._store.read(_known, key)
        if known is not None and await asyncio.to_thread(is_there, known):
            telemetry.BUILDS.labels("reused").observe(0)
            return Made(known, plan, reused=True, seconds=0.0)
        began = self._clock()
        try:
            artifact = await self._runner.build(Source(tree, tree_hash, plan, scope), self._limits, log)
        except BuildFailed:
            telemetry.BUILDS.labels("failed").observe(self._clock() - began)
            raise
        took = self._clock() - began
        telemetry.BUILDS.labels("built").observe(took)
        await self._store.write(_remember, key, artifact, project_id, took, self._clock())
        return Made(artifact, plan, reused=False, seconds=took)


def _key(scope: str, tree_hash: str, plan: Plan, runner: str) -> str:
    return hashlib.sha256("\0".join((scope, tree_hash, plan.digest, runner)).encode()).hexdigest()


def _known(session: Session, key: str) -> Artifact | None:
    row = session.get(Build, key)
    return Artifact.from_json(row.record) if row else None


def _remember(session: Session, key: str, artifact: Artifact, project_id: int, took: float, now: float) -> None:
    session.merge(
        Build(
            key=key,
            artifact=artifact.digest,
            record=artifact.as_json(),
            project_id=project_id,
            seconds=took,
            built_at=now,
        )
    )
