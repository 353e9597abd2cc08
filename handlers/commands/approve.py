"""Says that what was shown may go to an environment: `/approve production`.  A review that approves says the same."""

from __future__ import annotations

from bot.github.shapes import pull_of
from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, refused

USAGE = "/approve production [commit]"
RIGHT = Right(Role.WRITE, people=True)


async def run(asked: Asked) -> Answer:
    name, named = asked.environment(USAGE), asked.words(1, 2, USAGE)[1:]
    environments = (await asked.service.policies.held(asked.project)).effective.environments
    terms = environments.get(name)
    if terms is None:
        words = f"There is no environment {name}; there are {', '.join(sorted(environments))}."
        return refused("unknown_environment", words, "/status")
    pull = pull_of(await asked.repository.pull(asked.pull.number), asked.project.id)
    if pull.state != "open":
        return refused("closed", "The pull request is closed; there is nothing to approve.")
    if terms.approvals.strength != "comment":
        words = f"The policy of {name} takes no approvals by command."
        return refused("review_wanted", words, "Approve it with a review on GitHub.")
    sha = await asked.looked_at(named[0] if named else None, f"/approve {name}")
    if isinstance(sha, Answer):
        return sha
    return asked.leave("approve", name, sha, f"Noted: {sha[:7]} may go to {name}.")
