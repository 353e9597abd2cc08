"""How much the long tests do: enough to see that they work, or all that we claim (`make soak`)."""

from __future__ import annotations

import os


def soak(full: int, short: int) -> int:
    """`full` with SLIPWAY_SOAK set, else `short`."""
    return full if os.environ.get("SLIPWAY_SOAK") else short
