"""Words about money: what a change costs, what is left, why nothing was started.  Pure.

Amounts come in millionths of the currency and are told exactly: 2.00 USD, 0.001389 USD.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from bot.messages import inline

_KINDS = {
    "pull": "this change",
    "agent": "agent",
    "project": "project",
    "team": "team",
    "organization": "organization",
}
_TIMES = {"day": "today", "week": "this week", "month": "this month", "lifetime": "in all"}


class Scope(Protocol):
    """Who bears a cost; `bot.budgets` has the real ones, here and below."""

    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str: ...


class Limit(Protocol):
    @property
    def limit_micro(self) -> int: ...
    @property
    def period(self) -> str: ...
    @property
    def on_limit(self) -> str: ...
    @property
    def timezone(self) -> str: ...


class Period(Protocol):
    @property
    def end(self) -> float | None: ...


class Standing(Protocol):
    @property
    def scope(self) -> Scope: ...
    @property
    def limit(self) -> Limit: ...
    @property
    def period(self) -> Period: ...
    @property
    def spent(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def used(self) -> int: ...
    @property
    def left(self) -> int: ...
    def crossed(self) -> Iterable[int]: ...
    def runs_out(self, now: float) -> float | None: ...


class Over(Protocol):
    @property
    def standing(self) -> Standing: ...
    @property
    def estimate(self) -> int: ...
    @property
    def actual(self) -> int: ...


def amount(micro: int, currency: str) -> str:
    """An amount to the last millionth, with two decimals at least."""
    digits = f"{abs(Decimal(micro)) / 1_000_000:.6f}"
    whole, _, part = digits.partition(".")
    return f"{'-' if micro < 0 else ''}{whole}.{part.rstrip('0').ljust(2, '0')} {currency}"


def who(scope: Scope) -> str:
    """A scope in words, escaped."""
    kind = _KINDS.get(scope.kind, scope.kind)
    return kind if scope.kind == "pull" or not scope.label else f"{kind} {inline(scope.label, 60)}"


def refusal(over: Over, currency: str) -> dict[str, Any]:
    """Why a preview was not started: a deployment's `failure`.  The numbers are in the words, and beside them."""
    standing, limit = over.standing, over.standing.limit
    name, needed = _name(standing.scope), amount(over.actual, currency)
    message = (
        f"Over budget: {name}, {_TIMES[limit.period]}: {needed} needed, limit {amount(limit.limit_micro, currency)}."
    )
    parts = [
        f"{amount(standing.spent, currency)} spent",
        f"{amount(standing.held, currency)} put aside for work under way",
    ]
    sums = f"{', '.join(parts)}, {amount(over.estimate, currency)} estimated for this"
    renewal = renews(standing)
    then = f"It renews {renewal}: comment /redeploy after that, or" if renewal else "It does not renew:"
    hint = f"{sums}. {then} close previews that nobody needs, or have the limit raised by whoever keeps .slipway.yml."
    return {
        "reason_code": "budget_exceeded",
        "step": "budget",
        "message": message,
        "hint": hint,
        "scope": name,
        "period": limit.period,
        "actual_micro": over.actual,
        "limit_micro": limit.limit_micro,
        "renews_at": standing.period.end,
    }


def asleep(over: Over, currency: str) -> tuple[str, ...]:
    """Lines for the page of a preview that sleeps because its budget is used up."""
    standing = over.standing
    spent, most = amount(standing.spent, currency), amount(standing.limit.limit_micro, currency)
    renewal = renews(standing)
    first = f"The budget of {_name(standing.scope)} is used up {_TIMES[standing.limit.period]}: {spent} of {most}."
    return (first, f"It renews {renewal}." if renewal else "It does not renew by itself.")


def renews(standing: Standing) -> str:
    """When its period ends, in the zone of the limit; nothing for what never ends."""
    end = standing.period.end
    return "" if end is None else _moment(end, standing.limit.timezone)


def line(cost: int, standings: Sequence[Standing], currency: str, now: float) -> str:
    """For the sticky comment: what this change has cost, what is left, and what will not last."""
    lines = [f"💰 This change has cost {amount(cost, currency)} so far."]
    if standings:
        left = (f"{amount(one.left, currency)} of {_most(one, currency)} ({_where(one)})" for one in standings)
        lines[0] += f" Left: {', '.join(left)}."
    lines += [f"⚠️ {words}" for words in (warning(one, currency, now) for one in standings) if words]
    return "\n\n".join(lines)


def warning(standing: Standing, currency: str, now: float) -> str:
    """The highest threshold that is reached, and whether it lasts; nothing when there is nothing to say."""
    crossed, runs_out = max(standing.crossed(), default=None), standing.runs_out(now)
    until = _until(runs_out, standing.limit.period, standing.limit.timezone) if runs_out else ""
    rate = f"at this rate it is used up by {until}" if until else ""
    where = _where(standing)
    where = where[0].upper() + where[1:]
    if crossed is None:
        return f"{where}: {rate}." if rate else ""
    used = f"{amount(standing.spent, currency)} of {_most(standing, currency)}"
    return f"{where}: {crossed} % is reached, {used}{f'; {rate}' if rate else ''}."


def twin(cost: int, standings: Sequence[Standing], currency: str) -> dict[str, Any]:
    """The same for machines."""
    return {
        "currency": currency,
        "cost_micro": cost,
        "budgets": [
            {
                "scope": one.scope.kind,
                "period": one.limit.period,
                "limit_micro": one.limit.limit_micro,
                "spent_micro": one.spent,
                "held_micro": one.held,
                "left_micro": one.left,
                "renews_at": one.period.end,
            }
            for one in standings
        ],
    }


def table(cost: int, standings: Sequence[Standing], currency: str, now: float) -> str:
    """The answer to /budget."""
    lines = ["### Budget", "", f"This change has cost {amount(cost, currency)} so far.", ""]
    if not standings:
        return "\n".join([*lines, "No limit speaks of it; what is used is metered and booked all the same."])
    lines += [
        "| who | when | spent | put aside | limit | left | renews |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for one in standings:
        cells = [who(one.scope), _TIMES[one.limit.period]]
        cells += [amount(micro, currency) for micro in (one.spent, one.held, one.limit.limit_micro, one.left)]
        lines.append(f"| {' | '.join([*cells, renews(one) or 'never'])} |")
    warnings = [f"⚠️ {words}" for words in (warning(one, currency, now) for one in standings) if words]
    return "\n".join([*lines, *(f"\n{words}" for words in warnings)])


def alert(told: Mapping[str, Any], currency: str) -> dict[str, str]:
    """A webhook's body, as Slack and those who copy it take it.  `told` is a row of `bot.models.Alert`."""
    kind = _KINDS.get(str(told["scope"]).partition(":")[0], "")
    name = f"{kind} {spoken(told['label'])}".strip()
    spent, most = amount(told["spent"], currency), amount(told["limit_micro"], currency)
    when = f"{told['span']}, {told['zone'] or 'all time'}"
    if told["threshold"]:
        words = f"{told['threshold']} % of the budget of {name} ({when}) is used: {spent} of {most}."
    else:
        words = f"The budget of {name} ({when}) will not last: {spent} of {most} is used."
    if told["runs_out"]:
        words += f" At this rate it is used up by {_until(told['runs_out'], told['span'], told['zone'] or 'UTC')}."
    return {"text": words}


def spoken(text: str, longest: int = 80) -> str:
    """Outside text for a chat: no markup, no mention."""
    return "".join(letter for letter in text[:longest] if letter.isprintable() and letter not in "<>&@*_`~")


def _name(scope: Scope) -> str:
    return _KINDS[scope.kind] if scope.kind == "pull" else f"{_KINDS[scope.kind]} {spoken(scope.label)}"


def _where(standing: Standing) -> str:
    return f"{who(standing.scope)}, {_TIMES[standing.limit.period]}"


def _most(standing: Standing, currency: str) -> str:
    return amount(standing.limit.limit_micro, currency)


def _moment(at: float, zone: str) -> str:
    return f"{dt.datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def _until(at: float, span: str, zone: str) -> str:
    """A day of the week or month, a time of the day."""
    moment = dt.datetime.fromtimestamp(at, ZoneInfo(zone))
    return f"{moment:%H:%M}" if span == "day" else f"{moment.day} {moment:%B}"
