"""Runs the head of the pull request: `/preview`.  A fork's is named in full: that commit runs, without secrets."""

from __future__ import annotations

import re

from sqlmodel import Session

from bot.errands import rebuild
from bot.github.shapes import pull_of
from bot.models import Allowance, PullRequest, State
from bot.policy import Role
from bot.store import commands, deployments
from handlers.commands.asked import Answer, Asked, Misused, Right, refused

USAGE = "/preview [commit]"
RIGHT = Right(Role.WRITE, author=True)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


async def run(asked: Asked) -> Answer:
    named = asked.words(0, 1, USAGE)
    if named and not _COMMIT.fullmatch(named[0]):
        raise Misused(f"{named[0]} is no commit.", USAGE)
    pull = pull_of(await asked.repository.pull(asked.pull.number), asked.project.id)
    if pull.state != "open":
        return refused("closed", "The pull request is closed; reopen it first.")
    if named and not pull.head_sha.startswith(named[0]):
        words = f"The head is {pull.head_sha[:7]} by now, not {named[0][:7]}."
        return refused("head_moved", words, f"/preview {pull.head_sha}")
    if pull.fork and (await asked.service.policies.held(asked.project)).effective.preview.forks == "never":
        words = "It comes from a fork, and the policy lets nothing of forks run (preview.forks: never)."
        return refused("fork", words, "Push its commits to a branch of this repository, and open a pull request there.")
    if pull.fork:
        return _of_fork(asked, pull, named[0] if named else "")
    standing = await asked.service.store.read(deployments.standing, asked.project.id, pull.number)
    newest = standing.newest if standing else None
    if newest and newest.sha == pull.head_sha and newest.state in (State.LIVE, State.ASLEEP):
        return Answer(True, words="It is live already.")
    return Answer(None, errands=(rebuild(asked.project.id, pull.number, asked.ident, **asked.asked),))


def _of_fork(asked: Asked, pull: PullRequest, sha: str) -> Answer:
    """Code of strangers: who asks must say which commit was read, and every new one is asked for again (P21)."""
    if sha != pull.head_sha:
        words = "It comes from a fork: read the commit, then name it in full. Only that commit will run."
        return refused("full_commit_required", words, f"/preview {pull.head_sha}")
    now = asked.service.clock()
    allowance = Allowance(
        project_id=asked.project.id,
        number=pull.number,
        sha=sha,
        by_id=asked.actor.id,
        by_login=asked.actor.login,
        at=now,
    )

    def allow(session: Session) -> None:
        commands.allow(session, allowance, asked.entry("fork.allowed", now, after={"commit": sha}))

    return Answer(None, apply=allow, errands=(rebuild(asked.project.id, pull.number, asked.ident, **asked.asked),))
