"""What previews may cost, as the policy says it, and what they do cost, as the backend counts it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from sqlmodel import Session, col, select

from bot.budgets import Bounds, Limit, Over, Prices
from bot.messages.money import refusal
from bot.models import Deployment, Environment, Project, Release, Route, State
from bot.policy.terms import Effective
from bot.previews.ground import Ground
from bot.settings import Settings
from bot.store import Store, deployments, projects, traffic
from bot.store.money import Look, Money
from runners.base import Instance, Plan, Reading, Runner, RunnerError

UNPAID = "unpaid"  # the state of a page: asleep because there is no money
FROZEN = "frozen"  # the same: asleep because its author is a machine that somebody froze
BARRED = (UNPAID, FROZEN)
AT_ONCE = 8  # instances that are looked at side by side
SLACK_SECONDS = 300.0  # beyond what a build and a start may take
_log = logging.getLogger(__name__)


def bounds(effective: Effective, currency: str) -> Bounds:
    """The policy's limits.  One in another currency than the prices can't be counted against, and lets nothing pass."""
    limits = (
        Limit(
            scope=one.scope,
            period=one.period,
            limit_micro=one.limit if one.currency == currency else 0,
            alerts=one.alert,
            on_limit=one.on_limit,
            timezone=one.timezone,
        )
        for one in effective.budgets.limits
    )
    return Bounds(tuple(limits), frozenset(one.lower() for one in effective.budgets.teams))


def money_of(
    settings: Settings,
    store: Store,
    terms: Callable[[Project], Awaitable[Effective]],
    clock: Callable[[], float],
) -> Money:
    """The books of money, under the prices of the settings and the limits of each project's policy.

    Raises Misconfigured for prices that are none."""
    prices = Prices.of(settings.prices)

    async def of(project_id: int) -> Bounds:
        project = await store.read(projects.project, project_id)
        return Bounds() if project is None else bounds(await terms(project), prices.currency)

    return Money(store, prices, of, clock, traffic.sent)


class Spending:
    """Puts money aside before a preview begins, and looks at what it uses afterwards."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._store, self._money = ground, ground.store, ground.money

    async def admit(self, deployment: Deployment, number: int) -> bool:
        """Put aside what it may cost.  False: there is no money for it, and it has ended with that."""
        settings = self._ground.settings
        seconds = settings.build_seconds + settings.start_seconds + SLACK_SECONDS
        over = await self._money.admit(deployment.project_id, number, deployment.id, seconds)
        if over is not None:
            failure = refusal(over, self._money.currency)
            await self._ground.step(deployment, State.REFUSED, "not run: over budget", failure=failure)
        return over is None

    @contextlib.asynccontextmanager
    async def build(self, deployment: Deployment, number: int, plan: Plan) -> AsyncIterator[None]:
        """Time a build and book it, however it ends; what was made by somebody else before takes next to no time."""
        began, done = self._ground.clock(), False
        try:
            yield
            done = True
        finally:
            took, runs_on = self._ground.clock() - began, done and plan.runs
            await self._money.built(deployment.project_id, number, deployment.id, took, runs_on=runs_on)

    async def look(self) -> list[tuple[str, Over]]:
        """Book what everything that runs has used.  Returns the previews that have to sleep, and why."""
        running = await self._store.read(_running)
        space = asyncio.Semaphore(AT_ONCE)
        looks = await asyncio.gather(*(self._one(each, space) for each in running))
        return [(look.deployment, over) for look, over in await self._money.sample(looks)]

    async def unpaid(self) -> list[str]:
        """Previews that no request wakes: a budget was used up, or their author was frozen."""
        return await self._store.read(_unpaid)

    async def _one(self, running: tuple[Deployment | Release, Instance], space: asyncio.Semaphore) -> Look:
        row, instance = running
        async with space:
            reading = await _reading(self._ground.runner, instance)
        number = row.number if isinstance(row, Deployment) else None
        return Look(row.id, row.project_id, number, instance.id, reading, asleep=row.state is State.ASLEEP)


async def _reading(runner: Runner, instance: Instance) -> Reading | None:
    try:
        return await runner.usage(instance)
    except RunnerError as error:
        _log.warning("what %s uses can't be told: %s", instance.deployment, error)
        return None


def _running(session: Session) -> list[tuple[Deployment | Release, Instance]]:
    """All that has an instance: previews, and what serves in an environment."""
    serving = select(Release).join(Environment, col(Environment.release) == Release.id)
    rows: list[Deployment | Release] = [*deployments.held(session), *session.exec(serving)]
    return [(row, Instance.from_json(row.instance)) for row in rows if row.instance]


def _unpaid(session: Session) -> list[str]:
    query = select(Deployment.id, Route.target).where(
        Deployment.state == State.ASLEEP, Route.deployment == Deployment.id, col(Route.target).is_not(None)
    )
    return sorted({ident for ident, target in session.exec(query) if target and target.get("state") in BARRED})
