"""Money: what work costs, who bears it, and how much of it there may be.  Pure; `bot.store.budgets` keeps the sums."""

from bot.budgets.limits import FORECAST, KINDS, Bounds, Limit, OnLimit, Over, Scope, Standing
from bot.budgets.periods import SPANS, Period, Span, period, zone_of
from bot.budgets.usage import DAY, FIRST_BUILD, FIRST_HOUR, GIB, MICRO, Prices, Usage

__all__ = [
    "DAY",
    "FIRST_BUILD",
    "FIRST_HOUR",
    "FORECAST",
    "GIB",
    "KINDS",
    "MICRO",
    "SPANS",
    "Bounds",
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
    "zone_of",
]
