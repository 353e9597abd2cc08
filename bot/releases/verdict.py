"""When what was just released counts as good, as bad, or as not to be told.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bot.models import Stage

OK = "ok"
UNKNOWN = "unknown"  # it could not be measured: our trouble, not the release's
PATIENCE = 2.0  # windows, after which what can't be measured is given up


@dataclasses.dataclass(frozen=True, slots=True)
class Watch:
    """How a release is watched.  Times are seconds."""

    interval: float = 5.0
    fail_after: int = 3  # failing looks in a row
    min_samples: int = 5  # looks that measured something, for a verdict of "verified"
    window: float = 300.0


def verdict(watch: Watch, samples: Sequence[Sequence[object]], elapsed: float) -> Stage | None:
    """VERIFIED, FAILED, INCONCLUSIVE, or None: go on watching.  `samples`: (time, word); `elapsed` since it serves.

    Looks that measured nothing count for nothing: they neither fail a release nor verify it."""
    known = [word for _at, word in samples if word != UNKNOWN]
    if len(known) >= watch.fail_after and OK not in known[-watch.fail_after :]:
        return Stage.FAILED
    if elapsed < watch.window:
        return None
    if len(known) < watch.min_samples:
        return Stage.INCONCLUSIVE
    if known[-1] == OK:
        return Stage.VERIFIED
    return Stage.INCONCLUSIVE if elapsed >= PATIENCE * watch.window else None
