"""How much the long tests do: enough to see that they work, or all that we claim (`make soak`)."""

from __future__ import annotations

import os

import pytest


def soak(full: int, short: int) -> int:
    """`full` with SLIPWAY_SOAK set, else `short`."""
    return full if os.environ.get("SLIPWAY_SOAK") else short


soaking = pytest.mark.skipif(not os.environ.get("SLIPWAY_SOAK"), reason="takes long: make soak")
"""A test that only `make soak` runs: others like it run every day."""
