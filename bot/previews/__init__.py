"""The recipe of a preview: refresh it, close it, put it to sleep, wake it, let it expire.

Each step is written to the books before the next begins, so that the same delivery, tried again after a crash, goes on
where it was.  What GitHub shows is none of this module's business: `bot.reports` compares the books with GitHub.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.builds import Builds
from bot.github import GitHub
from bot.previews.ground import Ground
from bot.previews.refresh import Refresh
from bot.previews.rest import Rest
from bot.settings import Settings
from bot.sources import Sources
from bot.store import Store
from runners.base import Router, Runner

__all__ = ["Previews"]


class Previews:
    """What pull requests show."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        github: GitHub,
        sources: Sources,
        runner: Runner,
        router: Router,
        builds: Builds,
        clock: Callable[[], float] = time.time,
    ) -> None:
        ground = Ground(settings, store, runner, router, clock)
        rest = Rest(ground, sources)
        self.refresh = Refresh(ground, github, sources, builds)
        self.close, self.expire, self.remove = rest.close, rest.expire, rest.remove
        self.sleep, self.wake, self.rename, self.note_gone = rest.sleep, rest.wake, rest.rename, rest.note_gone
