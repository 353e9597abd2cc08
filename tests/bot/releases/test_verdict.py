"""When a release counts as good, bad, or unknown."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Stage
from bot.releases.verdict import OK, UNKNOWN, Sample, Seen, Watch, figures, look, reason, verdict
from runners.base import LATENCY, Traffic

WATCH = Watch(interval=1, fail_after=3, min_samples=4, window=10)
BAD = "/ does not answer well"


def judged(words: list[str], elapsed: float) -> Stage | None:
    return verdict(WATCH, [[float(i), word] for i, word in enumerate(words)], elapsed)


@pytest.mark.parametrize(
    ("words", "elapsed", "stage"),
    [
        ([OK, BAD, BAD], 3, None),
        ([OK, BAD, BAD, BAD], 4, Stage.FAILED),
        ([BAD, BAD, UNKNOWN, BAD], 4, Stage.FAILED),
        ([BAD, BAD, OK, BAD, BAD], 5, None),
        ([OK] * 9, 9.9, None),
        ([OK] * 4, 10, Stage.VERIFIED),
        ([OK] * 3 + [UNKNOWN] * 7, 10, Stage.INCONCLUSIVE),
        ([UNKNOWN] * 10, 10, Stage.INCONCLUSIVE),
        ([], 10, Stage.INCONCLUSIVE),
        ([OK] * 9 + [BAD], 10, None),
        ([OK] * 9 + [BAD, OK], 11, Stage.VERIFIED),
        ([OK] * 9 + [BAD] + [UNKNOWN] * 10, 20, Stage.INCONCLUSIVE),
    ],
)
def test_verdicts(words: list[str], elapsed: float, stage: Stage | None) -> None:
    assert judged(words, elapsed) is stage


@given(st.lists(st.sampled_from([OK, BAD, UNKNOWN]), max_size=20), st.floats(0, 40))
def test_what_measured_nothing_changes_no_verdict_of_failure(words: list[str], elapsed: float) -> None:
    known = [word for word in words if word != UNKNOWN]
    assert (judged(words, elapsed) is Stage.FAILED) == (judged(known, elapsed) is Stage.FAILED)


@given(st.lists(st.just(UNKNOWN), max_size=30), st.floats(0, 100))
def test_an_error_of_ours_is_never_a_failure(words: list[str], elapsed: float) -> None:
    assert judged(words, elapsed) in (None, Stage.INCONCLUSIVE)


def met(requests: int, failures: int = 0, slow: int = 0, seconds: float = 2.0, usual: float = 0.1) -> Traffic:
    """So many requests; `slow` of them took `seconds`, the rest the usual time."""
    latency = [0] * (len(LATENCY) + 1)
    latency[LATENCY.index(usual)] += requests - slow
    latency[LATENCY.index(seconds)] += slow
    return Traffic(requests, failures, 0, tuple(latency))


NOTHING = Traffic()


@pytest.mark.parametrize(
    ("now", "before", "word"),
    [
        pytest.param(met(40, 12), met(250, 1), "12 of 40 requests failed (30 %), 0.4 % before", id="bad"),
        pytest.param(met(40, 12), NOTHING, OK, id="no former"),
        pytest.param(met(40, 12), met(19), OK, id="a former that few people met"),
        pytest.param(met(19, 19), met(250), OK, id="too few requests"),
        pytest.param(NOTHING, met(250), OK, id="nobody came"),
        pytest.param(met(400, 20), met(400), OK, id="five in a hundred"),
        pytest.param(met(400, 24), met(400), "24 of 400 requests failed (6 %), 0 % before", id="six in a hundred"),
        pytest.param(met(400, 200), met(400, 196), OK, id="as bad as before"),
        pytest.param(met(999, 600), met(999, 500), "600 of 999 requests failed (60.1 %), 50.1 % before", id="worse"),
        pytest.param(met(20, 3), met(20), OK, id="what chance explains"),
        pytest.param(met(100, slow=50), met(100), "slow: p95 2 s, 0.1 s before", id="slow"),
        pytest.param(met(100, slow=50, seconds=0.3), met(100), OK, id="slower, not slow"),
        pytest.param(met(100, slow=50), met(100, slow=40, seconds=1.0), OK, id="slow before"),
        pytest.param(met(100, slow=4), met(100), OK, id="a few slow ones"),
        pytest.param(met(19, slow=19), met(100), OK, id="too few slow ones"),
        pytest.param(met(100, slow=50), Traffic(100), OK, id="a former of files, which take no time"),
    ],
)  # fmt: skip
def test_what_visitors_met(now: Traffic, before: Traffic, word: str) -> None:
    assert look(WATCH, Seen(OK, now=now, before=before)) == word


def test_what_only_the_first_visitors_met_is_not_held_against_it() -> None:
    bad, before = met(40, 12), met(250, 1)
    assert look(WATCH, Seen(OK, now=bad + met(20), last=bad, before=before)) == OK
    assert look(WATCH, Seen(OK, now=bad, last=bad, before=before)) == UNKNOWN  # nobody came since
    assert look(WATCH, Seen(OK, now=bad + met(20, 6), last=bad, before=before)).startswith("18 of 60")


def test_errors_of_measuring_are_told_apart_from_failures() -> None:
    assert look(WATCH, Seen(OK, now=None)) == UNKNOWN
    assert look(WATCH, Seen(UNKNOWN)) == UNKNOWN
    assert look(WATCH, Seen(BAD, now=None)) == BAD
    assert look(WATCH, Seen(UNKNOWN, now=met(40, 12), before=met(250, 1))).startswith("12 of 40")


def test_policy_may_leave_visitors_out() -> None:
    deaf = dataclasses.replace(WATCH, traffic=False)
    assert look(deaf, Seen(OK, now=met(40, 40), before=met(250))) == OK
    assert look(deaf, Seen(OK, now=None)) == OK


def test_a_crash_loop_needs_no_row_of_failing_looks() -> None:
    once, twice = Seen(OK, stops=1), Seen(OK, stops=2)
    assert look(WATCH, once) == OK
    word = look(WATCH, twice)
    assert word == "crash loop: it stopped 2 times"
    samples = [(1.0, OK, once.figures()), (2.0, word, twice.figures())]
    assert verdict(WATCH, samples[:1], 1) is None
    assert verdict(WATCH, samples, 2) is Stage.FAILED
    assert reason(WATCH, samples) == "is in a crash loop: it stopped 2 times"


def test_the_reason_is_what_was_seen_last() -> None:
    samples = [(1.0, BAD), (2.0, BAD), (3.0, "12 of 40 requests failed (30 %), 0.4 % before"), (4.0, UNKNOWN)]
    assert reason(WATCH, samples) == "failed 3 looks in a row: 12 of 40 requests failed (30 %), 0.4 % before"


def test_figures_are_whole_numbers() -> None:
    assert figures(NOTHING) == {}
    assert figures(met(40, 12, slow=20)) == {"requests": 40, "failures": 12, "p95_ms": 2000}
    assert Seen(OK, stops=1, now=met(2)).figures() == {"stops": 1, "requests": 2, "failures": 0, "p95_ms": 100}
    assert Seen(OK, now=None).figures() == {}


COUNTS = st.integers(0, 500)


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    requests = draw(COUNTS)
    return met(requests, draw(st.integers(0, requests)), draw(st.integers(0, requests)), draw(st.sampled_from(LATENCY)))


@st.composite
def sampled(draw: st.DrawFn) -> list[Sample]:
    kinds = st.sampled_from([(OK, {}), (OK, {"stops": 1}), (BAD, {}), (UNKNOWN, {}), ("crash loop", {"stops": 2})])
    return [(float(i), *kind) for i, kind in enumerate(draw(st.lists(kinds, max_size=20)))]


@given(sampled(), st.floats(0, 40))
def test_a_good_look_more_never_makes_it_fail(samples: list[Sample], elapsed: float) -> None:
    for at in range(len(samples) + 1):
        more = [*samples[:at], (0.0, OK, {"requests": 5, "failures": 0}), *samples[at:]]
        assert verdict(WATCH, more, elapsed) is not Stage.FAILED or verdict(WATCH, samples, elapsed) is Stage.FAILED


@given(traffics())
def test_without_visitors_only_health_decides(before: Traffic) -> None:
    for health in (OK, BAD, UNKNOWN):
        assert look(WATCH, Seen(health, before=before)) == health


@given(traffics())
def test_without_a_former_only_health_decides(now: Traffic) -> None:
    assert look(WATCH, Seen(OK, now=now)) == OK


@given(traffics(), traffics(), st.integers(1, 500))
def test_requests_that_went_well_never_make_it_worse(now: Traffic, before: Traffic, more: int) -> None:
    """Fast ones too: what was good enough is so with more of what is good."""
    if look(WATCH, Seen(OK, now=now, before=before)) == OK and before.timed and now.requests >= WATCH.min_requests:
        well = met(more, usual=LATENCY[0])
        assert look(WATCH, Seen(OK, now=now + well, before=before)) == OK


@given(traffics())
def test_equals_are_never_told_apart(now: Traffic) -> None:
    assert look(WATCH, Seen(OK, now=now, before=now)) == OK
