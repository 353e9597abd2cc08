"""Refs change: commits written here, branches deleted, and what a real `git push` left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from demo.github.git import ZERO, Bare, Change, Commit, is_branch
from demo.github.hooks import Hooks
from demo.github.hub import Hub, Missing
from demo.github.records import Json, Moment, Pull, Repo, Size, Suite, User
from demo.github.shapes import checks, pulls, repositories

_LISTED = 20  # commits that a push event spells out


class Pushes:
    """Needs the books and somebody to tell."""

    def __init__(self, hub: Hub, hooks: Hooks) -> None:
        self.hub, self.hooks = hub, hooks

    async def branch_commit(
        self,
        repo: str,
        branch: str,
        files: Mapping[str, str | bytes],
        message: str,
        author: str,
        trailers: Sequence[str] = (),
        delete: Iterable[str] = (),
        executable: Iterable[str] = (),
    ) -> str:
        """A real commit on `branch` (made from the default branch when it is new), pushed by `author`.

        `author` is a login, or "Name <address>" for a commit whose author has no account (the owner then pushes it).
        Returns the commit's id.  Raises Missing and git.GitFailed.
        """
        where = self.hub.repo(repo)
        if not is_branch(branch):
            raise Missing(f"{branch!r} can't be the name of a branch")
        ident, sender = self._author(where, author)
        text = message if not trailers else f"{message.rstrip()}\n\n" + "\n".join(trailers) + "\n"
        content = {path: body.encode() if isinstance(body, str) else body for path, body in files.items()}
        async with where.git.writing:
            before = await where.git.refs()
            parent = before.get(f"refs/heads/{branch}") or before.get(f"refs/heads/{where.default_branch}")
            sha = await where.git.write(
                *(branch, content),
                message=text,
                author=ident,
                when=int(self.hub.now()),
                parent=parent,
                delete=delete,
                executable=executable,
            )
            await self.refs_changed(where, before, sender)
        return sha

    def _author(self, repo: Repo, author: str) -> tuple[tuple[str, str], User]:
        if "<" not in author:
            user = self.hub.user(author)
            return user.ident, user
        name, _, address = author.partition("<")
        email = address.rstrip("> ")
        return (name.strip(), email), self.hub.by_email(email) or self.hub.keeper(repo.owner)

    async def delete_branch(self, repo: str, branch: str, user: str) -> None:
        """Raises Missing."""
        where = self.hub.repo(repo)
        async with where.git.writing:
            before = await where.git.refs()
            if f"refs/heads/{branch}" not in before:
                raise Missing(f"no branch {branch} in {repo}")
            await where.git.point(f"refs/heads/{branch}", None)
            await self.refs_changed(where, before, self.hub.user(user))

    async def refs_changed(self, repo: Repo, before: Mapping[str, str], sender: User) -> None:
        """Compare with how the refs were, and tell of every difference.  The caller holds `repo.git.writing`."""
        after = await repo.git.refs()
        for ref in sorted({*before, *after}):
            old, new = before.get(ref), after.get(ref)
            if old != new:
                await self._ref_changed(repo, ref, old, new, sender)

    async def _ref_changed(self, repo: Repo, ref: str, old: str | None, new: str | None, sender: User) -> None:
        repo.pushed_at = repo.updated_at = self.hub.now()
        _, kind, name = ref.split("/", 2)
        what: Json = {"ref": name, "ref_type": "branch" if kind == "heads" else "tag", "pusher_type": "user"}
        if old is None and new:
            facts = {"master_branch": repo.default_branch, "description": None}
            self.hooks.tell("create", repo, sender, what | facts)
        self.hooks.tell("push", repo, sender, await self._push(repo, ref, old, new, sender))
        if new is None:
            self.hooks.tell("delete", repo, sender, what)
        if kind == "heads":
            await self._branch_moved(repo, name, old, new, sender)
        self.hub.touch()

    async def _push(self, repo: Repo, ref: str, old: str | None, new: str | None, sender: User) -> Json:
        commits: list[Commit] = []
        forced = False
        if new:
            commits = await repo.git.log(new, *([f"^{old}"] if old else []), limit=_LISTED if old else 1)
            forced = bool(old) and await repo.git.merge_base(old or "", new) != old
        listed = [repositories.pushed_commit(self.hub, repo, one, await self._files(repo.git, one)) for one in commits]
        return {
            "ref": ref,
            "before": old or ZERO,
            "after": new or ZERO,
            "created": old is None,
            "deleted": new is None,
            "forced": forced,
            "base_ref": None,
            "compare": f"{repositories.html(self.hub, repo)}/compare/{(old or ZERO)[:12]}...{(new or ZERO)[:12]}",
            "commits": listed[::-1],
            "head_commit": listed[0] if listed else None,
            "pusher": {"name": sender.login, "email": sender.email},
        }

    @staticmethod
    async def _files(git: Bare, one: Commit) -> list[Change]:
        return await git.changes(one.parents[0] if one.parents else None, one.sha, patches=False)

    async def _branch_moved(self, repo: Repo, branch: str, old: str | None, new: str | None, sender: User) -> None:
        if new:
            suite = await self.suite(repo, new, branch, old or ZERO)
            told = {"action": "requested", "check_suite": checks.suite(self.hub, repo, suite)}
            self.hooks.tell("check_suite", repo, sender, told)
        for pull in self.hub.pulls_of_head(repo, branch):
            if new is None:
                self.close(pull, sender)
            elif new != pull.head_sha:
                await self._synchronize(pull, new, sender)

    async def suite(self, repo: Repo, sha: str, branch: str | None, before: str = ZERO) -> Suite:
        """The app's check suite of a commit, made when there is none."""
        if sha not in repo.suites:
            now = self.hub.now()
            commit = await repo.git.commit(sha)
            repo.suites[sha] = Suite(self.hub.new_id("suite"), sha, branch, before, commit, now, now)
        return repo.suites[sha]

    async def _synchronize(self, pull: Pull, sha: str, sender: User) -> None:
        before = pull.head_sha
        await self.follow(pull, sha)
        pull.timeline.append(Moment(pull.updated_at, sender, "pushed", sha))
        self.tell_of_pull(pull, "synchronize", sender, before=before, after=sha)

    async def follow(self, pull: Pull, sha: str) -> None:
        """Make `sha` the head: fetched into the base repository, measured against the base branch."""
        git = pull.repo.git
        if pull.head_repo is not pull.repo:
            refspec = f"+{sha}:refs/pull/{pull.number}/head"
            await git.run("fetch", "--quiet", "--no-tags", str(pull.head_repo.git.path), refspec)
        else:
            await git.point(f"refs/pull/{pull.number}/head", sha)
        pull.head_sha, pull.updated_at = sha, self.hub.now()
        pull.base_sha = await git.resolve(f"heads/{pull.base_ref}") or pull.base_sha
        pull.size = await self._size(pull)

    async def _size(self, pull: Pull) -> Size:
        fork_point = await pull.repo.git.merge_base(pull.base_sha, pull.head_sha)
        changed = await pull.repo.git.changes(fork_point, pull.head_sha, patches=False)
        commits = await pull.repo.git.count(pull.head_sha, f"^{pull.base_sha}")
        lines = sum(one.additions for one in changed), sum(one.deletions for one in changed)
        return Size(commits, *lines, len(changed))

    def tell_of_pull(self, pull: Pull, action: str, sender: User, **more: object) -> None:
        """Send a `pull_request` event."""
        shape = pulls.full(self.hub, pull)
        told: Json = {"action": action, "number": pull.number, "pull_request": shape, **more}
        self.hooks.tell("pull_request", pull.repo, sender, told)
        self.hub.touch()

    def close(self, pull: Pull, sender: User) -> None:
        """Close without merging."""
        pull.state, pull.closed_at = "closed", self.hub.now()
        pull.updated_at = pull.closed_at
        pull.timeline.append(Moment(pull.closed_at, sender, "closed this"))
        self.tell_of_pull(pull, "closed", sender)
