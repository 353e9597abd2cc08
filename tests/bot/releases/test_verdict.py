"""When a release counts as good, bad, or unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Stage
from bot.releases.verdict import OK, UNKNOWN, Watch, verdict

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
