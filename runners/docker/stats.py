"""What the engine says that a container has used, from control groups of either version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners.base import Reading

# Files that the kernel keeps in memory only as long as nobody wants the room: v2's name, then v1's.
_CACHE = ("inactive_file", "total_inactive_file")


def reading(stats: Mapping[str, Any], disk: int, life: str) -> Reading | None:
    """One answer of the engine's `stats`; None when it says nothing, as of a container that just ended."""
    cpu = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    memory = stats.get("memory_stats") or {}
    if "total_usage" not in cpu or "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    cache = next((int(details[name]) for name in _CACHE if name in details), 0)
    return Reading(int(cpu["total_usage"]) / 1e9, max(0, int(memory["usage"]) - cache), disk, life)
