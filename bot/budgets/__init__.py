"""Money: what work costs, who bears it, and how much of it there may be.  Pure; `bot.store.budgets` keeps the sums."""

from bot.budgets.limits import FORECAST, KINDS, Limit, OnLimit, Over, Scope, Standing, teams
from bot.budgets.periods import SPANS, Period, Span, period, zone_of
from bot.budgets.usage import DAY, GIB, MICRO, Prices, Usage

__all__ = [
    "DAY",
    "FORECAST",
    "GIB",
    "KINDS",
    "MICRO",
    "SPANS",
    "Limit",
    "OnLimit",
    "Over",
    "Period",
    "Prices",
    "Scope",
    "Span",
    "Standing",
    "Usage",
    "period",
    "teams",
    "zone_of",
]
