"""Repositories come, are renamed, forked, and the app is installed and removed."""

from __future__ import annotations

import shutil
from asyncio import to_thread
from collections.abc import Mapping
from pathlib import Path

from demo.github.actions.pushes import Pushes
from demo.github.hub import Missing
from demo.github.records import ROLES, Json, Repo, Required, Role
from demo.github.shapes import repositories

Files = Mapping[str, str | bytes] | Path
_LEFT_OUT = {".git", "__pycache__", "node_modules", ".venv"}


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their path below it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    inside = {path.relative_to(folder): path for path in files}
    return {key.as_posix(): path.read_bytes() for key, path in inside.items() if not _LEFT_OUT & set(key.parts)}


class Repositories(Pushes):
    async def create_repository(
        self, owner: str, name: str, files: Files, private: bool = True, default_branch: str = "main"
    ) -> Repo:
        """A repository with one commit; the app is installed on the account if it was not.

        `files` are paths and contents, or a folder.
        """
        account = self.hub.user(owner)
        repo = await self._new(account.login, name, private, default_branch)
        content = await to_thread(read_folder, files) if isinstance(files, Path) else files
        one, keeper = self.hub.installation_of(account), self.hub.keeper(account)
        brief = [repositories.brief(repo)]
        if one is None:
            one = self.hub.install(account)
            installed = {"action": "created", "repositories": brief, "requester": None}
            self.hooks.tell_of_installation("installation", one, keeper, installed)
        else:
            added: Json = {"action": "added", "repository_selection": "all", "repositories_added": brief}
            added |= {"repositories_removed": [], "requester": None}
            self.hooks.tell_of_installation("installation_repositories", one, keeper, added)
        await self.branch_commit(repo.full_name, default_branch, content, "First commit", keeper.login)
        return repo

    async def _new(self, owner: str, name: str, private: bool, branch: str) -> Repo:
        if f"{owner}/{name}".lower() in self.hub.names:
            raise ValueError(f"{owner}/{name} exists already")
        number, now = self.hub.new_id("repository"), self.hub.now()
        git = self.hub.bare(number)
        await git.init(branch)
        repo = Repo(number, self.hub.user(owner), name, private, branch, git, now, now, now)
        keeper = self.hub.keeper(repo.owner)
        if keeper is not repo.owner:
            repo.grants[keeper.login.lower()] = "admin"
        self._name(repo)
        return repo

    def _name(self, repo: Repo) -> None:
        self.hub.repos[repo.id] = repo
        self.hub.names[repo.full_name.lower()] = repo.id
        self.hub.touch()

    async def fork(self, repo: str, owner: str) -> Repo:
        """A copy under another account, where the app is not installed."""
        source = self.hub.repo(repo)
        copy = await self._new(owner, source.name, source.private, source.default_branch)
        await to_thread(shutil.rmtree, copy.git.path)
        await source.git.run("clone", "--quiet", "--bare", str(source.git.path), str(copy.git.path))
        await to_thread(copy.git.allow)
        copy.parent = source
        return copy

    def grant(self, repo: str, login: str, permission: Role) -> None:
        """Give a person a role in a repository; "none" takes it away."""
        if permission not in ROLES:
            raise ValueError(f"{permission!r} is not one of {', '.join(ROLES)}")
        where, user = self.hub.repo(repo), self.hub.user(login)
        if permission == "none":
            where.grants.pop(user.login.lower(), None)
        else:
            where.grants[user.login.lower()] = permission

    def join(self, team: str, login: str, *, leave: bool = False) -> None:
        """Put a person into a team, "acme/deploy", which is made when there is none; or take them out."""
        people = self.hub.teams.setdefault(team.lower(), set())
        user = self.hub.user(login)
        if leave:
            people.discard(user.id)
        else:
            people.add(user.id)

    def require_check(self, repo: str, name: str, app: int | None = None, *, classic: bool = False) -> None:
        """Nothing is merged into the default branch without this check: of that app, or anybody's.

        It is told by the API; merging here does not look at it."""
        self.hub.repo(repo).required.append(Required(name, app, classic))

    async def rename_repository(self, repo: str, name: str) -> Repo:
        """The old name goes on leading here, until another repository takes it."""
        where = self.hub.repo(repo)
        old, where.name = where.name, name
        where.updated_at = self.hub.now()
        self._name(where)
        changes = {"repository": {"name": {"from": old}}}
        self.hooks.tell("repository", where, self.hub.keeper(where.owner), {"action": "renamed", "changes": changes})
        return where

    async def uninstall(self, owner: str) -> None:
        """The account removes the app: its tokens end at once.  Raises Missing."""
        account = self.hub.user(owner)
        one = self.hub.installation_of(account)
        if one is None:
            raise Missing(f"the app is not installed on {owner}")
        gone = [repositories.brief(repo) for repo in self.hub.installed_on(one)]
        told = {"action": "deleted", "repositories": gone}
        self.hooks.tell_of_installation("installation", one, self.hub.keeper(account), told)
        del self.hub.installations[one.id]
        kept = {key: token for key, token in self.hub.tokens.items() if token.installation is not one}
        self.hub.tokens = kept
