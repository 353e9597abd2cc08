"""Which came first is read from the books with given times; nothing is built."""

from __future__ import annotations

from bench.cold import Beside

STEPS = [(100.0, "accepted"), (100.5, "fetching"), (101.0, "building: pip"), (104.0, "starting"), (105.0, "live")]


def test_everything_counts_from_the_moment_of_acceptance() -> None:
    one = Beside.of("flask", STEPS, scanned=102.0)
    assert (one.built, one.live, one.scanned, one.ratio) == (4.0, 5.0, 2.0, 0.5)
    assert str(one).startswith("✓ cold flask: scanned after 2.00 s")


def test_a_scan_that_ends_after_the_build_is_told() -> None:
    one = Beside.of("flask", STEPS, scanned=106.0)
    assert one.ratio == 1.5
    assert str(one).startswith("✗") and one.as_json()["ratio"] == 1.5
