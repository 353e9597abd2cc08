"""What the engine says of both versions of control groups, read the same way."""

from __future__ import annotations

from typing import Any

import pytest

from runners.base import Reading
from runners.docker.stats import reading

V1 = {
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000, "percpu_usage": [1, 2]}},
    "memory_stats": {"usage": 90_000_000, "stats": {"cache": 50_000_000, "total_inactive_file": 40_000_000}},
}
V2 = {
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000, "usage_in_kernelmode": 1}},
    "memory_stats": {"usage": 90_000_000, "stats": {"file": 50_000_000, "inactive_file": 40_000_000}},
}


@pytest.mark.parametrize("stats", [V1, V2], ids=["v1", "v2"])
def test_processor_time_and_memory_without_what_the_kernel_only_keeps(stats: dict[str, Any]) -> None:
    assert reading(stats, 7, "then") == Reading(2.5, 50_000_000, 7, "then")


@pytest.mark.parametrize(
    "stats", [{}, {"cpu_stats": {"cpu_usage": {"total_usage": 1}}, "memory_stats": {}}, {"cpu_stats": None}]
)
def test_a_container_that_just_ended_says_nothing(stats: dict[str, Any]) -> None:
    assert reading(stats, 7, "then") is None
