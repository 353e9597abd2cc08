"""A pull request that changes the policy: what it would make of it, and the check run that says so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from bot.errors import GitHubDown, GitHubRefused
from bot.github import GitHub, Repository
from bot.github.files import File, NotAFile
from bot.github.shapes import pull_of
from bot.messages import policy as words
from bot.messages.policy import CHECK, Past, Proposal
from bot.models import PolicyChange, Project, PullRequest
from bot.permissions.author import machine
from bot.permissions.policies import PATH, Held, Policies, parsed
from bot.policy.compare import compare
from bot.policy.merge import Layer, merge
from bot.policy.record import replay
from bot.policy.terms import Effective
from bot.policy.text import Invalid
from bot.reports.once import once
from bot.store import Store, decisions, policies, projects
from bot.store.policies import Way

REPLAYED = 50  # decisions


class PolicyCheck:
    """Judges what a head would make of the policy, by what holds now."""

    def __init__(self, store: Store, github: GitHub, held: Policies, clock: Callable[[], float]) -> None:
        self._store, self._github, self._policies, self._clock = store, github, held, clock

    async def __call__(self, project_id: int, number: int) -> None:
        """Look at a pull request's head.  Raises GitHubDown, GitHubRefused, TryLater."""
        project = await self._store.read(projects.project, project_id)
        if project is None or project.state != "active":
            return
        repository = self._github.repository(project.installation_id, project.id, project.full_name)
        raw = await repository.pull(number)
        pull = pull_of(raw, project.id)
        if pull.state != "open":
            return
        held = await self._policies.held(project, live=True)
        if held.unread is not None:  # compared with nothing, everything would look tighter
            raise GitHubDown(held.unread.why)
        seen = await self._look(project, repository, pull, raw, held)
        row = await self._store.write(policies.note_change, project.id, number, pull.head_sha, seen.way, self._clock())
        if seen.way != "none" or row.told is not None:
            await self._tell(repository, row, seen)

    async def _look(
        self, project: Project, repository: Repository, pull: PullRequest, raw: Mapping[str, Any], held: Held
    ) -> Proposal:
        sha = pull.head_sha
        try:
            file = await repository.file(PATH, sha)
            if not await self._touched(project, repository, sha, file, held):
                return Proposal(sha, "none")
            policy = await parsed(file.content) if file is not None else None
        except NotAFile as odd:
            return Proposal(sha, "invalid", odd=str(odd))
        except Invalid as error:
            return Proposal(sha, "invalid", faults=error.faults)
        layers = [layer for layer in held.layers if layer.name != "project"]
        proposed = merge([*layers, *([Layer("project", policy)] if policy is not None else [])])
        differences = compare(held.effective, proposed)
        ways = {one.way for one in differences}
        way: Way = "looser" if "looser" in ways else "tighter" if "tighter" in ways else "other"
        agent = await machine(repository, pull, raw, held.effective) if way == "looser" else None
        seen = Proposal(sha, way, differences, agent=agent, standing_fault=held.fault.why if held.fault else None)
        return await self._replayed(project, seen, proposed)

    async def _touched(self, project: Project, repository: Repository, sha: str, file: File | None, held: Held) -> bool:
        """Whether merging this head would change the file: it is another one than where the two grew apart."""
        mine = file.sha if file is not None else None
        if held.fault is None and mine == held.commit:
            return False
        try:
            base = await repository.merge_base(project.default_branch, sha)
        except GitHubRefused as error:
            if error.status != 404:
                raise
            return True  # they have nothing in common
        try:
            before = await repository.file(PATH, base)
        except NotAFile:
            return True
        return mine != (before.sha if before is not None else None)

    async def _replayed(self, project: Project, seen: Proposal, proposed: Effective) -> Proposal:
        latest = await self._store.read(decisions.latest, project.id, REPLAYED)
        past = replay(latest, proposed)
        turned = [
            Past(one.decision.at, one.decision.number, one.decision.kind, one.before, one.after)
            for one in past
            if one.turned
        ]
        return dataclasses.replace(seen, looked_at=len(past), turned=turned)

    async def _tell(self, repository: Repository, row: PolicyChange, seen: Proposal) -> None:
        """A check that has ended is never opened again: another verdict is another run."""
        digest = _digest(seen)
        if digest == row.told:
            return
        said, ident = words.check(seen), f"{row.number}:{row.run}:{digest}"
        await once(
            self._store,
            f"policy:{row.project_id}:{row.sha}:{ident}",
            self._clock(),
            lambda: repository.find_check(row.sha, CHECK, ident),
            lambda: repository.create_check(
                CHECK,
                row.sha,
                ident,
                status=said.status,
                conclusion=said.conclusion,
                title=said.title,
                summary=said.summary,
                text=said.text,
                annotations=said.annotations,
            ),
        )
        await self._store.write(policies.note_told, row.project_id, row.number, row.sha, digest)


def _digest(seen: Proposal) -> str:
    """Of the verdict alone: what is played again for it may be more by the next try, and is no other verdict."""
    verdict = dataclasses.replace(seen, looked_at=0, turned=(), standing_fault=None)
    spoken = json.dumps(dataclasses.asdict(verdict), sort_keys=True)
    return hashlib.sha256(spoken.encode()).hexdigest()[:16]
