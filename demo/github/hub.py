"""Everything this GitHub knows, and how it is found: users, repositories, installations, tokens, ids."""

from __future__ import annotations

import base64
import itertools
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from demo.github.git import Bare
from demo.github.records import Call, Installation, Json, Pull, Repo, Token, User

HOUR = 3600.0
_FIRST_ID = 5_200_000_000  # GitHub's ids passed 32 bits long ago: programs that meet one here must cope

PERMISSIONS: Mapping[str, str] = {
    **dict.fromkeys(("checks", "contents", "deployments", "issues", "pull_requests", "statuses"), "write"),
    "security_events": "write",
    **dict.fromkeys(("members", "merge_queues", "metadata"), "read"),
}
EVENTS = (
    *("check_run", "check_suite", "create", "delete", "deployment", "deployment_status", "issue_comment"),
    *("pull_request", "pull_request_review", "push", "repository"),
)


class Missing(LookupError):
    """There is no such thing here."""


class Hub:
    """The books.  Changes happen in `actions`, through the API or by a push; each of them calls `touch`."""

    def __init__(
        self,
        folder: Path,
        *,
        app_id: str,
        slug: str,
        permissions: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self.folder, self.app_id, self.slug = folder, app_id, slug
        self.permissions, self.clock = dict(permissions), clock
        self.url = "http://127.0.0.1"  # known once it is served
        self.version = 0
        self.calls: list[Call] = []
        self.users: dict[str, User] = {}
        self.repos: dict[int, Repo] = {}
        self.names: dict[str, int] = {}  # every full name that a repository ever had, lower case
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, Token] = {}
        self.advisories: list[Json] = []  # what the whole world knows of packages; `rest.advisories` has their shape
        self.teams: dict[str, set[int]] = {}  # "acme/deploy", lower case: numbers of its people
        self._ids: dict[str, Iterator[int]] = defaultdict(lambda: itertools.count(_FIRST_ID))
        self.started_at = clock()
        self.client_id = f"Iv23li{slug}"
        self.bot = self.user(f"{slug}[bot]", type="Bot")
        self.maker = self.user(f"{slug}-makers", type="Organization")

    def now(self) -> float:
        return self.clock()

    def touch(self) -> None:
        """Something that a page may show has changed."""
        self.version += 1

    def new_id(self, kind: str) -> int:
        return next(self._ids[kind])

    # -- people

    def user(self, login: str, id: int | None = None, type: str | None = None, name: str = "") -> User:  # noqa: A002
        """The user of that login, made when there is none.  `id` and `type` overwrite what is known."""
        user = self.users.get(login.lower())
        if user is None:
            kind = type or ("Bot" if login.endswith("[bot]") else "User")
            user = self.users[login.lower()] = User(id or self.new_id("user"), login, kind, name)
        user.id, user.type, user.name = id or user.id, type or user.type, name or user.name
        return user

    def by_email(self, email: str) -> User | None:
        """The account that GitHub links a commit's address to."""
        number, _, rest = email.partition("+")
        login = rest.removesuffix("@users.noreply.github.com")
        if login == rest or not number.isdigit():
            return None
        return next((user for user in self.users.values() if user.id == int(number)), None)

    def keeper(self, account: User) -> User:
        """Who acts for an account: organizations have somebody who owns them."""
        return account if account.type != "Organization" else self.user(f"{account.login}-owner")

    # -- repositories

    def repo(self, name: str) -> Repo:
        """By full name, a former one too.  Raises Missing."""
        try:
            return self.repos[self.names[name.lower()]]
        except KeyError:
            raise Missing(f"no repository {name}") from None

    def pull(self, repo: str, number: int) -> Pull:
        """Raises Missing."""
        try:
            return self.repo(repo).pulls[number]
        except KeyError:
            raise Missing(f"no pull request {repo}#{number}") from None

    def bare(self, repo_id: int) -> Bare:
        """Where its objects are: names change, so the folder is called by the id."""
        return Bare(self.folder / "repositories" / f"{repo_id}.git")

    def pulls_of_head(self, repo: Repo, branch: str) -> list[Pull]:
        every = (pull for base in self.repos.values() for pull in base.pulls.values())
        return [pull for pull in every if pull.state == "open" and pull.head_repo is repo and pull.head_ref == branch]

    def association(self, repo: Repo, user: User) -> str:
        """GitHub's author_association: says who somebody is, never what they may."""
        if user.id == repo.owner.id:
            return "OWNER"
        if user.login.lower() in repo.grants:
            return "COLLABORATOR"
        if any(pull.merged and pull.user.id == user.id for pull in repo.pulls.values()):
            return "CONTRIBUTOR"
        return "NONE"

    # -- the app

    def installation_of(self, account: User) -> Installation | None:
        return next((one for one in self.installations.values() if one.account.id == account.id), None)

    def install(self, account: User) -> Installation:
        one = Installation(self.new_id("installation"), account, self.now(), self.permissions, EVENTS)
        self.installations[one.id] = one
        return one

    def installed_on(self, installation: Installation) -> list[Repo]:
        return [repo for repo in self.repos.values() if repo.owner.id == installation.account.id]

    def issue(
        self,
        installation: Installation,
        permissions: Mapping[str, str],
        repositories: frozenset[int] | None,
        value: str | None = None,
    ) -> Token:
        """A new installation token: valid one hour, in the long form of 2026."""
        token = Token(
            value or f"ghs_{self.app_id}_{_opaque(36)}.{_opaque(270)}.{_opaque(64)}",
            self.bot,
            installation,
            repositories,
            dict(permissions),
            self.now() + HOUR,
        )
        self.tokens[token.value] = token
        return token

    def token(self, login: str) -> str:
        """A personal access token: for `git push`, and for REST calls in that person's name."""
        user = self.user(login)
        for token in self.tokens.values():
            if token.installation is None and token.user is user:
                return token.value
        value = f"ghp_{secrets.token_hex(18)}"
        self.tokens[value] = Token(value, user)
        return value

    def valid(self, value: str) -> Token | None:
        """The token of that value while it is good."""
        token = self.tokens.get(value)
        return token if token and token.expires_at > self.now() else None


def _opaque(size: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
