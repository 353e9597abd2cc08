"""Says that the head may go to an environment: `/approve production`.  A review that approves says the same."""

from __future__ import annotations

from bot.github.shapes import pull_of
from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Right, refused

USAGE = "/approve production [commit]"
RIGHT = Right(Role.WRITE, people=True)


async def run(asked: Asked) -> Answer:
    name, named = asked.environment(USAGE), asked.words(1, 2, USAGE)[1:]
    pull = pull_of(await asked.repository.pull(asked.pull.number), asked.project.id)
    if pull.state != "open":
        return refused("closed", "The pull request is closed; there is nothing to approve.")
    if named and not pull.head_sha.startswith(named[0].lower()):
        words = f"The head is {pull.head_sha[:7]} by now, not {named[0][:7]}. Look at its preview first."
        return refused("head_moved", words, f"/approve {name} {pull.head_sha[:7]}")
    if not named and asked.pull.head_sha != pull.head_sha:
        words = f"{pull.head_sha[:7]} was pushed just now. Look at its preview first."
        return refused("head_moved", words, f"/approve {name} {pull.head_sha[:7]}")
    terms = (await asked.service.policies.held(asked.project)).effective.terms(name)
    if terms.approvals.strength != "comment":
        words = "The policy counts reviews only."
        return refused("review_wanted", words, "Approve it with a review on GitHub.")
    return asked.leave("approve", name, pull.head_sha, f"Noted: {pull.head_sha[:7]} may go to {name}.")
