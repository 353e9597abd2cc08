"""What runs is paid by the hour: money for an hour is put aside, what it uses is booked, then the next hour begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlmodel import Session, func, select

from bot.budgets import FIRST_HOUR, Bounds, Limit, Over, Prices, Scope
from bot.models import Deployment, Release, Reservation
from bot.store import budgets
from bot.store.budgets import meters
from bot.store.budgets.alerts import note
from bot.store.budgets.scopes import scopes_of
from bot.store.budgets.sums import standings
from runners.base import Reading

KEPT = 600.0  # seconds without a look until what was put aside is freed
BOOKED = 60.0  # seconds of running between two entries of the ledger
HOUR = 3600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """What things cost, and how much of it there may be in one project."""

    prices: Prices
    bounds: Bounds = dataclasses.field(default_factory=Bounds)

    @property
    def limits(self) -> tuple[Limit, ...]:
        return self.bounds.limits


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """One look at what runs.  `number` None: not a pull request's; production is charged to the project."""

    deployment: str  # or release
    project_id: int
    number: int | None
    instance: str
    reading: Reading | None
    asleep: bool = False
    sent: int = 0  # bytes to its visitors so far


def take(session: Session, look: Look, terms: Terms, now: float) -> Over | None:
    """Book what was used since the last look.

    Returns the limit that says its preview has to sleep.  Nothing stops because of any other limit, and production
    because of none: what it uses is booked all the same."""
    scopes = scopes_of(session, look.project_id, look.number, terms.bounds.teams)
    usage = meters.out(session, look.deployment, look.sent, now)
    usage += meters.take(session, look.deployment, look.instance, look.reading, now, asleep=look.asleep)
    row, over = current(session, look.deployment), None
    if row is None:
        limits = None if look.asleep or look.number is None else terms.limits
        row, over = _next(session, look.deployment, scopes, terms.prices, limits, now)
    budgets.meter(session, row.work, usage)
    budgets.extend(session, row.work, now, KEPT)
    if now - row.made_at >= HOUR:
        budgets.settle(session, row.work, terms.prices, now)
    elif now - row.booked_at >= (HOUR if look.asleep else BOOKED):
        budgets.book(session, row.work, terms.prices, now)
    note(session, scopes, terms.limits, look.project_id, now)
    if look.number is None or look.asleep:
        return None
    return over if over and over.standing.limit.on_limit == "sleep_previews" else _reached(session, scopes, terms, now)


def admit(session: Session, look: Look, terms: Terms, now: float, *, woken: bool = False) -> Over | None:
    """It is to run from now on: end the hour that it slept in, and put the next one aside.

    `woken`: it is nothing new, so that only limits speak that say what is there has to sleep."""
    row = current(session, look.deployment)
    if row is not None:
        budgets.settle(session, row.work, terms.prices, now)
    scopes = scopes_of(session, look.project_id, look.number, terms.bounds.teams)
    _row, over = _next(session, look.deployment, scopes, terms.prices, strict(terms) if woken else terms.limits, now)
    return over


def used_up(session: Session, project_id: int, number: int, terms: Terms, now: float) -> Over | None:
    """The limit that keeps the previews of a pull request asleep: the money for an hour is not there.  Only reads."""
    scopes = scopes_of(session, project_id, number, terms.bounds.teams)
    hour = budgets.estimate(session, project_id, "run", terms.prices.charge(FIRST_HOUR))
    for standing in standings(session, scopes, strict(terms), now):
        if standing.used + hour > standing.limit.limit_micro:
            return Over(standing, hour)
    return None


def strict(terms: Terms) -> list[Limit]:
    """Those whose previews sleep when they are reached."""
    return [limit for limit in terms.limits if limit.on_limit == "sleep_previews"]


def current(session: Session, deployment: str) -> Reservation | None:
    """The hour that is under way."""
    mine = select(Reservation).where(Reservation.deployment == deployment, Reservation.kind == "run")
    return session.exec(mine.where(text("state = 'open'"))).first()


def tidy(
    session: Session, seen: set[str], sent: Mapping[str, int], terms: Mapping[int, Terms], plain: Terms, now: float
) -> None:
    """Settle what has ended without a word, extend what is being made, and free what nobody cares for any more.

    `sent`: bytes out so far, by deployment or release; those of static files are booked here."""
    for row in session.exec(select(Reservation).where(text("state = 'open'"))).all():
        deployment, prices = session.get(Deployment, row.deployment), terms.get(row.project_id, plain).prices
        if deployment is not None and deployment.state.working:
            budgets.extend(session, row.work, now, KEPT)
        elif row.kind == "build" or (row.deployment not in seen and session.get(Release, row.deployment) is None):
            budgets.settle(session, row.work, prices, now)
    for deployment_id, count in sent.items():
        if deployment_id not in seen:
            _book_out(session, deployment_id, count, terms, plain, now)
    meters.prune(session, now)
    budgets.reap(session, plain.prices, now)


def _book_out(session: Session, ident: str, count: int, terms: Mapping[int, Terms], plain: Terms, now: float) -> None:
    owner = session.get(Deployment, ident) or session.get(Release, ident)
    usage = meters.out(session, ident, count, now, BOOKED)
    if owner is None or not usage.out:
        return
    mine = terms.get(owner.project_id, plain)
    number = owner.number if isinstance(owner, Deployment) else None
    scopes = scopes_of(session, owner.project_id, number, mine.bounds.teams)
    row, _over = _next(session, owner.id, scopes, mine.prices, None, now)
    budgets.settle(session, row.work, mine.prices, now, usage)


def _next(
    session: Session,
    deployment: str,
    scopes: Sequence[Scope],
    prices: Prices,
    limits: Sequence[Limit] | None,
    now: float,
) -> tuple[Reservation, Over | None]:
    """The next hour, put aside if there is money; else, and without `limits`, it is booked as it is used."""
    mine = select(func.count()).where(Reservation.deployment == deployment, Reservation.kind == "run")
    work, over = f"run:{deployment}:{session.exec(mine).one()}", None
    if limits is not None:
        project = next((int(one.key) for one in scopes if one.kind == "project"), 0)
        hour = budgets.estimate(session, project, "run", prices.charge(FIRST_HOUR))
        made = budgets.reserve(session, work, scopes, hour, limits, now, KEPT)
        if isinstance(made, Reservation):
            return made, None
        over = made
    made = budgets.reserve(session, work, scopes, 0, (), now, KEPT)
    assert isinstance(made, Reservation)  # noqa: S101  (without limits nothing is refused)
    return made, over


def _reached(session: Session, scopes: Sequence[Scope], terms: Terms, now: float) -> Over | None:
    """A limit that says previews have to sleep, and that they have used up."""
    for standing in standings(session, scopes, strict(terms), now):
        if standing.spent >= standing.limit.limit_micro:
            return Over(standing, 0)
    return None
