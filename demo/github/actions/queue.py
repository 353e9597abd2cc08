"""The merge queue, as far as apps see it: groups are put together, and are given up."""

from __future__ import annotations

from demo.github.actions.pulls import NotMergeable, Pulls
from demo.github.records import Json, Repo


class Queue(Pulls):
    async def enqueue(self, repo: str, number: int, after: str | None = None) -> str:
        """A group that merges a pull request into its base, or on top of the group at `after`; its commit.

        Raises NotMergeable."""
        pull, sender = self._pull(repo, number, None)
        git = pull.repo.git
        async with git.writing:
            base = after or await git.resolve(f"heads/{pull.base_ref}")
            if base is None or pull.state != "open":
                raise NotMergeable("It is not open, or its base branch is gone.")
            sha = await self._merged(pull, base, sender, "merge", None)
            ref = f"refs/heads/gh-readonly-queue/{pull.base_ref}/pr-{number}-{base}"
            await git.point(ref, sha)
        self._tell_of_group(pull.repo, "checks_requested", await self._group(pull.repo, ref, sha, base, pull.base_ref))
        return sha

    async def dequeue(self, repo: str, number: int, sha: str) -> None:
        """The group at this commit is given up."""
        pull, _sender = self._pull(repo, number, None)
        base = (await pull.repo.git.commit(sha)).parents[0]
        ref = f"refs/heads/gh-readonly-queue/{pull.base_ref}/pr-{number}-{base}"
        group = await self._group(pull.repo, ref, sha, base, pull.base_ref)
        await pull.repo.git.point(ref, None)
        self._tell_of_group(pull.repo, "destroyed", group, reason="dequeued")

    async def _group(self, repo: Repo, ref: str, sha: str, base: str, base_ref: str) -> Json:
        commit = await repo.git.commit(sha)
        person = {"name": "merge queue", "email": "queue@localhost"}
        head = {"id": sha, "tree_id": commit.tree, "message": commit.message, "author": person, "committer": person}
        head["timestamp"] = "2026-01-01T00:00:00Z"
        return {
            "head_sha": sha,
            "head_ref": ref,
            "base_sha": base,
            "base_ref": f"refs/heads/{base_ref}",
            "head_commit": head,
        }

    def _tell_of_group(self, repo: Repo, action: str, group: Json, **more: str) -> None:
        sender = self.hub.keeper(repo.owner)
        self.hooks.tell("merge_group", repo, sender, {"action": action, "merge_group": group, **more})
        self.hub.touch()
