"""The recipe of a preview: refresh it, close it, put it to sleep, wake it, let it expire.

Each step is written to the books before the next begins, so that the same delivery, tried again after a crash, goes on
where it was.  What GitHub shows is none of this module's business: `bot.reports` compares the books with GitHub.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bot.builds import Builds
from bot.github import GitHub
from bot.hosts import pull_label
from bot.models import Deployment, Project, PullRequest
from bot.policy.terms import Effective
from bot.previews.ground import Ground
from bot.previews.refresh import Refresh
from bot.previews.rest import Rest
from bot.previews.spending import Spending, money_of
from bot.settings import Settings
from bot.sources import Sources
from bot.store import Store
from runners.base import Router, Runner
from runners.base.logs import end_of

__all__ = ["Previews", "unwritten"]


async def unwritten(_project: Project) -> Effective:
    """What holds where nobody wrote a policy."""
    return Effective()


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
        terms: Callable[[Project], Awaitable[Effective]] = unwritten,
        *,
        scans: bool = False,
    ) -> None:
        self.money = money_of(settings, store, terms, clock)
        ground = Ground(settings, store, runner, router, clock, terms, self.money, scans)
        rest = Rest(ground, sources)
        self.refresh = Refresh(ground, github, sources, builds, rest.places)
        self.show_merge = self.refresh.show_merge
        self.close, self.expire, self.remove = rest.close, rest.expire, rest.remove
        self._ground, self.spending = ground, Spending(ground)
        self.sleep, self.wake, self.rename, self.note_gone = rest.sleep, rest.wake, rest.rename, rest.note_gone
        self.renewed = rest.renewed

    def url(self, project: Project, pull: PullRequest) -> str:
        """Where the preview of a pull request answers, now or later."""
        return self._ground.settings.preview_url(pull_label(pull.number, project.owner, project.name))

    async def lifetime(self, deployment: Deployment) -> float:
        """Seconds without a request after which a preview is removed."""
        standing = await self._ground.standing(deployment)
        longest = self._ground.settings.ttl_hours * 3600
        if standing is None:
            return longest
        effective = await self._ground.terms(standing.project)
        said = [effective.preview.ttl]
        said += [effective.agents.preview.ttl] if standing.pull.agent_id is not None else []
        return min([longest, *(float(one) for one in said if one is not None)])

    async def log(self, deployment: str) -> tuple[str, str]:
        """The end of the log of a deployment or release, and where all of it is."""
        text = await asyncio.to_thread(end_of, self._ground.log_path(deployment))
        return text, f"{self._ground.settings.public_url}/deployments/{deployment}"
