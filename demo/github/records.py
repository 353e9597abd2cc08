"""What this GitHub remembers, in memory.  Numeric ids are the identity; names are looked up."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from demo.github.git import Bare, Commit

Role = Literal["admin", "maintain", "write", "triage", "read", "none"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")  # weakest first
Json = dict[str, Any]


def stamp(at: float) -> str:
    """ISO 8601 as GitHub writes it."""
    return dt.datetime.fromtimestamp(int(at), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int) -> str:
    return b64encode(f"{len(kind):03}:{kind}{number}".encode()).decode()


@dataclass(slots=True)
class User:
    id: int
    login: str
    type: str = "User"  # User, Bot, Organization
    name: str = ""

    @property
    def email(self) -> str:
        return f"{self.id}+{self.login}@users.noreply.github.com"

    @property
    def ident(self) -> tuple[str, str]:
        """Name and address, as git wants them."""
        return self.name or self.login, self.email


@dataclass(slots=True)
class Installation:
    id: int
    account: User
    created_at: float
    permissions: Mapping[str, str]
    events: tuple[str, ...]


@dataclass
class Sarif:
    """What a scanner reported to code scanning."""

    id: str
    sha: str
    ref: str
    log: Json


@dataclass(slots=True)
class Repo:
    id: int
    owner: User
    name: str
    private: bool
    default_branch: str
    git: Bare
    created_at: float
    updated_at: float
    pushed_at: float
    parent: Repo | None = None  # the repository that this one is a fork of
    archived: bool = False
    grants: dict[str, Role] = field(default_factory=dict)  # by lower-case login
    numbers: int = 0  # of the last pull request
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)  # by commit
    checks: dict[int, Check] = field(default_factory=dict)
    statuses: list[CommitStatus] = field(default_factory=list)
    deployments: dict[int, Deployment] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    required: list[Required] = field(default_factory=list)  # checks, on the default branch
    code_scanning: bool = False  # whether somebody has switched it on
    sarifs: list[Sarif] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def role(self, login: str) -> Role:
        """What a person may here, by grant or as the owner."""
        if login.lower() == self.owner.login.lower():
            return "admin"
        return self.grants.get(login.lower(), "none" if self.private else "read")

    def may(self, login: str, least: Role) -> bool:
        return ROLES.index(self.role(login)) >= ROLES.index(least)


@dataclass(frozen=True, slots=True)
class Required:
    """A check that nothing is merged without.  `app` None: anybody may report it."""

    name: str
    app: int | None = None
    classic: bool = False  # branch protection of the older kind; else a rule of a ruleset


@dataclass(frozen=True, slots=True)
class Label:
    id: int
    name: str
    color: str = "ededed"


@dataclass(slots=True)
class Review:
    id: int
    user: User
    state: str  # APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED
    body: str
    commit: str
    at: float


@dataclass(slots=True)
class Size:
    """How much a pull request changes."""

    commits: int = 0
    additions: int = 0
    deletions: int = 0
    files: int = 0


@dataclass(slots=True)
class Pull:
    id: int
    number: int
    repo: Repo
    title: str
    body: str
    user: User
    head_repo: Repo
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    created_at: float
    updated_at: float
    draft: bool = False
    via_app: int | None = None  # another app than the one under test, that opened it for its user
    state: str = "open"
    closed_at: float | None = None
    merged_at: float | None = None
    merged_by: User | None = None
    merge_sha: str | None = None
    size: Size = field(default_factory=Size)
    labels: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    prepared: list[Prepared] = field(default_factory=list)

    @property
    def merged(self) -> bool:
        return self.merged_at is not None


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the conversation that is not a comment: pushed, closed, merged, ..."""

    at: float
    user: User
    words: str
    sha: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change that waits for somebody to press the button."""

    title: str
    files: Mapping[str, bytes]
    delete: tuple[str, ...] = ()


@dataclass(slots=True)
class Reaction:
    id: int
    user: User
    content: str
    at: float


@dataclass(slots=True)
class Comment:
    id: int
    number: int
    user: User
    body: str
    created_at: float
    updated_at: float
    by_app: bool
    by_email: bool = False
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True)
class Suite:
    id: int
    sha: str
    branch: str | None
    before: str
    commit: Commit
    created_at: float
    updated_at: float
    reset: bool = False  # asked for again, and nothing reported since


@dataclass(slots=True)
class Check:
    id: int
    suite: Suite
    name: str
    status: str
    started_at: str
    conclusion: str | None = None
    completed_at: str | None = None
    details_url: str | None = None
    external_id: str = ""
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[Json] = field(default_factory=list)
    actions: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class CommitStatus:
    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: User
    at: float


@dataclass(slots=True)
class DeploymentStatus:
    id: int
    state: str
    creator: User
    description: str
    environment: str
    environment_url: str
    log_url: str
    at: float


@dataclass(slots=True)
class Deployment:
    id: int
    sha: str
    ref: str
    task: str
    environment: str
    payload: Any
    description: str | None
    transient: bool
    production: bool
    creator: User
    created_at: float
    updated_at: float
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.statuses[-1].state if self.statuses else "pending"


@dataclass(slots=True)
class Token:
    """What a credential may: an installation's (with its narrowing) or a person's."""

    value: str
    user: User
    installation: Installation | None = None  # None: a person
    repositories: frozenset[int] | None = None  # None: all of the installation's
    permissions: Mapping[str, str] = field(default_factory=dict)
    expires_at: float = float("inf")
    used: int = 0  # calls in the window that ends at `window`
    window: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """A REST call as it came, and what we answered."""

    method: str
    path: str  # with its query, without /api/v3
    body: Any
    status: int
    at: float
