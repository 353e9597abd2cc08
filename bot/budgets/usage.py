"""What work used, what a unit of it costs, and what that comes to: whole numbers in, millionths of a currency out.

Rounding is stated here and nowhere else: the whole usage of one piece of work is priced exactly, as fractions, and
rounded once, half up, to a millionth.  What is booked on the way is always the difference to what was booked before,
so that a thousand small bookings come to the same amount as one large one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Self

from bot.errors import Misconfigured

GIB = 1 << 30
DAY = 86_400  # seconds: what is stored is charged by the day of 24 hours, whatever the calendar does
MICRO = 1_000_000
_DEAREST = Decimal(1_000_000)  # of the currency a unit: a slip of the comma is refused
_HALF = Fraction(1, 2)


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What a piece of work used, in units small enough to be whole."""

    cpu_us: int = 0  # microseconds of one processor
    memory: int = 0  # bytes × seconds
    build_ms: int = 0
    stored: int = 0  # bytes × seconds, on disk
    out: int = 0  # bytes sent to visitors

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(self._values, other._values, strict=True)))

    def largest(self, other: Usage) -> Usage:
        """Of each kind the larger amount."""
        return Usage(*(max(a, b) for a, b in zip(self._values, other._values, strict=True)))

    def minus(self, other: Usage) -> Usage:
        """What came since `other`."""
        return Usage(*(a - b for a, b in zip(self._values, other._values, strict=True)))

    @property
    def _values(self) -> tuple[int, ...]:
        return dataclasses.astuple(self)

    def as_json(self) -> dict[str, int]:
        """Only what is not nothing."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any] | None) -> Self:
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: int(value) for name, value in (raw or {}).items() if name in names})


# What a project without a history is believed to use: a minute of build; 5 % of a processor and 128 MiB for an hour.
FIRST_BUILD = Usage(build_ms=60_000)
FIRST_HOUR = Usage(cpu_us=180 * MICRO, memory=3600 * GIB // 8)


@dataclasses.dataclass(frozen=True, slots=True)
class Prices:
    """What one unit costs, in the currency.

    The defaults are what Railway, a small cloud that bills by use, lists (docs.railway.com/reference/pricing): $20 a
    month for a processor, $10 for a GB of memory, $0.15 for a GB stored, by months of 30 days, and $0.05 for a GB out.
    It does not bill builds, so a second of build is what two processors and 2 GiB cost for a second there.
    """

    currency: str = "USD"
    cpu_second: Decimal = Decimal("0.00000772")
    gib_second: Decimal = Decimal("0.00000386")
    build_second: Decimal = Decimal("0.00002316")
    gib_day: Decimal = Decimal("0.005")  # stored
    gib_out: Decimal = Decimal("0.05")

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """The setting SLIPWAY_MONEY over the defaults.  Raises Misconfigured, naming what is wrong."""
        unit = {field.name for field in dataclasses.fields(cls)} - {"currency"}
        unknown = sorted(raw.keys() - unit - {"currency"})
        if unknown:
            raise Misconfigured(f"SLIPWAY_MONEY: there is no {', '.join(unknown)}; write {', '.join(sorted(unit))}.")
        currency = str(raw.get("currency", cls().currency))
        if not re.fullmatch(r"[A-Z]{3}", currency):
            raise Misconfigured(f"SLIPWAY_MONEY: {currency!r} is no currency; write three letters, such as USD.")
        return cls(currency=currency, **{name: _price(name, raw[name]) for name in unit & raw.keys()})

    def as_json(self) -> dict[str, str]:
        return {name: str(value) for name, value in dataclasses.asdict(self).items()}

    @property
    def digest(self) -> str:
        """Names this price list in the ledger: the first 16 hex digits of the SHA-256 of its JSON."""
        values = {
            name: str(value.normalize()) if isinstance(value, Decimal) else value
            for name, value in dataclasses.asdict(self).items()
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def exact(self, usage: Usage) -> Fraction:
        """What a usage costs in millionths of the currency, before rounding."""
        parts = (
            Fraction(usage.cpu_us, MICRO) * Fraction(self.cpu_second),
            Fraction(usage.memory, GIB) * Fraction(self.gib_second),
            Fraction(usage.build_ms, 1000) * Fraction(self.build_second),
            Fraction(usage.stored, GIB * DAY) * Fraction(self.gib_day),
            Fraction(usage.out, GIB) * Fraction(self.gib_out),
        )
        return sum(parts, Fraction(0)) * MICRO

    def charge(self, usage: Usage) -> int:
        """What a whole usage costs, in millionths of the currency, rounded half up."""
        exact = self.exact(usage) + _HALF
        return exact.numerator // exact.denominator

    def difference(self, before: Usage, after: Usage) -> int:
        """What is to be booked when a usage has grown from `before`, which was booked, to `after`."""
        return self.charge(after) - self.charge(before)


def _price(name: str, raw: Any) -> Decimal:
    try:
        value = (
            Decimal(str(raw)) if isinstance(raw, int | float | str) and not isinstance(raw, bool) else Decimal("NaN")
        )
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= _DEAREST:
        raise Misconfigured(f"SLIPWAY_MONEY: {name} is {raw!r}; write an amount of the currency, such as 0.005.")
    return value
