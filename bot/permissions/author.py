"""Which machine wrote a change, as GitHub tells it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.agents import Author, binds, identify
from bot.github import Repository
from bot.github.shapes import commit_of
from bot.models import PullRequest
from bot.policy.terms import Effective


async def machine(
    repository: Repository, pull: PullRequest, raw: Mapping[str, Any], effective: Effective
) -> str | None:
    """Its name, when what the policy says of agents holds for it.  `raw`: the pull request as GitHub has it."""
    commits = [commit_of(one) for one in await repository.pull_commits(pull.number)]
    app = raw.get("performed_via_github_app")
    via = app.get("id") if isinstance(app, Mapping) else None
    treat = effective.agents.undeclared.treat_as_agent_if
    agent = identify(
        Author(pull.author_id, pull.author, pull.author_is_bot, via if isinstance(via, int) else None),
        identities=effective.agents.identities,
        treat=treat,
        branch=pull.head_ref,
        body=str(raw.get("body") or ""),
        commits=commits,
    )
    return agent.name if agent is not None and binds(agent, treat) else None
