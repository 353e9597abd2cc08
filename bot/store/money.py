"""Money as recipes ask for it: may this begin, what has it used, how does it stand."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlmodel import Session

from bot.budgets import FIRST_BUILD, FIRST_HOUR, Bounds, Over, Prices, Standing, Usage, period
from bot.models import Alert
from bot.store import Store, budgets
from bot.store.budgets import alerts, runs
from bot.store.budgets.runs import Look, Terms
from bot.store.budgets.scopes import scopes_of
from bot.store.budgets.sums import spent, standings

__all__ = ["Account", "BoundsOf", "Look", "Money", "SentOf", "unlimited"]

BoundsOf = Callable[[int], Awaitable[Bounds]]
"""The limits that hold for a project (its number), all layers of policy together."""


SentOf = Callable[[Session], Mapping[str, int]]
"""Bytes that the router has sent to visitors so far, by deployment or release."""


def uncounted(_session: Session) -> Mapping[str, int]:
    """As long as no router counts them."""
    return {}


async def unlimited(_project_id: int) -> Bounds:
    """As long as nobody has set any."""
    return Bounds()


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """What a pull request has cost, and how those stand who bear it."""

    currency: str
    cost: int
    standings: tuple[Standing, ...]


class Money:
    """The prices, the limits of each project, and the books of both."""

    def __init__(
        self,
        store: Store,
        prices: Prices,
        bounds: BoundsOf = unlimited,
        clock: Callable[[], float] = time.time,
        sent: SentOf = uncounted,
    ) -> None:
        self._store, self._prices, self._bounds, self._clock, self._sent = store, prices, bounds, clock, sent

    @property
    def currency(self) -> str:
        return self._prices.currency

    async def admit(self, project_id: int, number: int, deployment: str, seconds: float) -> Over | None:
        """Put aside what a build and an hour of running may cost, before anything of a preview is fetched or started.

        Asked again, when it is known who else bears it, that is looked at too; and once it is refused, nothing is put
        aside any more."""
        terms, now = await self._terms(project_id), self._clock()

        def admit(session: Session) -> Over | None:
            work = f"build:{deployment}"
            scopes = scopes_of(session, project_id, number, terms.bounds.teams)
            build = budgets.estimate(session, project_id, "build", self._prices.charge(FIRST_BUILD))
            hour = budgets.estimate(session, project_id, "run", self._prices.charge(FIRST_HOUR))
            made = budgets.reserve(session, work, scopes, build + hour, terms.limits, now, seconds)
            if isinstance(made, Over):
                return made
            over = budgets.widen(session, work, scopes, terms.limits, now)
            if over is not None:
                budgets.settle(session, work, self._prices, now)
            return over

        return await self._store.write(admit)

    async def built(self, project_id: int, number: int, deployment: str, seconds: float, *, runs_on: bool) -> None:
        """A build has ended after so many seconds: book it.  `runs_on`: what it made is started now."""
        terms, now = await self._terms(project_id), self._clock()
        usage = Usage(build_ms=round(seconds * 1000))

        def built(session: Session) -> None:
            scopes = scopes_of(session, project_id, number, terms.bounds.teams)
            budgets.widen(session, f"build:{deployment}", scopes, (), now)  # by now it is known who wrote it
            budgets.settle(session, f"build:{deployment}", self._prices, now, usage)
            if runs_on and runs.current(session, deployment) is None:
                runs.admit(session, Look(deployment, project_id, number, "", None), terms, now)

        await self._store.write(built)

    async def ended(self, deployment: str) -> None:
        """Nothing more comes of it: free what is put aside for its build."""
        await self._store.write(budgets.settle, f"build:{deployment}", self._prices, self._clock())

    async def wake(self, project_id: int, number: int, deployment: str) -> Over | None:
        """A preview is to be woken: not where its budget is used up and previews sleep because of that."""
        terms, now = await self._terms(project_id), self._clock()
        look = Look(deployment, project_id, number, "", None)
        return await self._store.write(runs.admit, look, terms, now, woken=True)

    async def exhausted(self, project_id: int, number: int) -> Over | None:
        """The limit that keeps the previews of a pull request asleep now."""
        terms, now = await self._terms(project_id), self._clock()
        return await self._store.read(runs.used_up, project_id, number, terms, now)

    async def sample(self, looks: Sequence[Look]) -> list[tuple[Look, Over]]:
        """Book what was used since the last looks.  Returns which previews have to sleep, and why."""
        projects = {look.project_id for look in looks}
        terms = {one: await self._terms(one) for one in projects}
        now, plain = self._clock(), Terms(self._prices)

        def sample(session: Session) -> list[tuple[Look, Over]]:
            sent, found = self._sent(session), list[tuple[Look, Over]]()
            for look in looks:
                counted = dataclasses.replace(look, sent=sent.get(look.deployment, 0))
                over = runs.take(session, counted, terms[look.project_id], now)
                found += [(look, over)] if over is not None else []
            runs.tidy(session, {look.deployment for look in looks}, sent, terms, plain, now)
            return found

        return await self._store.write(sample)

    async def account(self, project_id: int, number: int | None, only: str | None = None) -> Account:
        """How a pull request, or a project, stands.  `only`: scopes of that kind."""
        terms, now = await self._terms(project_id), self._clock()

        def account(session: Session) -> Account:
            scopes = scopes_of(session, project_id, number, terms.bounds.teams)
            shown = [scope for scope in scopes if only in (None, scope.kind)]
            cost = spent(session, str(scopes[0]), period("lifetime", "", now))
            return Account(self.currency, cost, tuple(standings(session, shown, terms.limits, now)))

        return await self._store.read(account)

    async def untold(self) -> list[Alert]:
        """Alerts that the webhook has not taken yet."""
        return await self._store.read(alerts.untold)

    async def told(self, rows: Sequence[Alert]) -> None:
        await self._store.write(alerts.told, rows, self._clock())

    async def _terms(self, project_id: int) -> Terms:
        return Terms(self._prices, await self._bounds(project_id))
