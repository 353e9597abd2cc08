"""The books: what is kept in the database.  All times are Unix seconds (UTC), so that a clock can be passed in.

Words are the design's.  Rows that go on telling GitHub something carry what GitHub was last told, so that
`bot.reports` can compare and repeat nothing.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Enum, Index, Integer, LargeBinary, MetaData, String, Text, text
from sqlmodel import Field, SQLModel

# Named, because SQLite's batch migrations can't drop what has no name.
SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys only


def _word(kind: type[StrEnum]) -> Enum:
    """One of a few words, kept as text and read back as the enum."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda words: [word.value for word in words])


def new_id() -> str:
    """A deployment's id: 16 hex digits nobody can guess, so that a link to its log is a key to it."""
    return secrets.token_hex(8)


class Work(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"  # a newer commit came before or while it ran


class Delivery(SQLModel, table=True):
    """One request that starts work, as it came: GitHub's, the clock's.  The queue is this table.

    `key` is the lane: one at a time.  Work with a `topic` replaces older work of the same topic, queued or
    running.  `attempt` counts claims and guards every write about a claim (a fencing token).
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_ready", "heavy", "priority", "id", sqlite_where=text("state = 'queued'")),
        Index("ix_delivery_lane", "key", "id", sqlite_where=text("state = 'queued'")),
        Index("ix_delivery_due", "run_at", sqlite_where=text("state = 'queued'")),
        Index("ix_delivery_kept", "received_at", sqlite_where=text("body <> x''")),
        Index("ix_delivery_topic", "topic", sqlite_where=text("state in ('queued', 'running')")),
        # The database itself forbids two claims in one lane.
        Index("uq_delivery_running_lane", "key", unique=True, sqlite_where=text("state = 'running'")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    guid: str = Field(sa_column=Column(String(255), unique=True, nullable=False))  # X-GitHub-Delivery, or our own
    source: str = "github"  # github, clock
    event: str
    action: str = ""
    installation_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    project_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    key: str
    topic: str | None = None
    stamp: str = ""  # GitHub's own time of what the payload shows: what shows less never replaces what shows more
    heavy: bool = False  # may build: counts against the number of builds at once
    priority: int = 0  # lower first: people 0, bots 10
    state: Work = Field(default=Work.QUEUED, sa_column=Column(_word(Work), nullable=False))
    run_at: float = 0.0
    attempt: int = 0
    failures: int = 0  # attempts that count: a wait that GitHub asked for does not
    stop_asked: bool = False  # a newer delivery of the topic wants its place
    error: str | None = Field(default=None, sa_column=Column(Text))
    received_at: float
    started_at: float | None = None
    ended_at: float | None = None
    body: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))  # zlib of the JSON payload


class Installation(SQLModel, table=True):
    """An account that installed the app."""

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    account: str
    state: str = "active"  # active, suspended, deleted
    updated_at: float = 0.0


class Project(SQLModel, table=True):
    """A repository we serve, known by GitHub's numeric id: names change hands."""

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    installation_id: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    owner: str
    name: str
    default_branch: str = "main"
    private: bool = True
    state: str = "active"  # active, archived, gone
    updated_at: float = 0.0

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


class PullRequest(SQLModel, table=True):
    """What GitHub last said of a pull request, and what we last said on it."""

    __tablename__ = "pull_request"

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    title: str = ""
    state: str = "open"  # open, closed, merged
    draft: bool = False
    fork: bool = False
    head_sha: str = ""
    head_ref: str = ""
    base_ref: str = ""
    author_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    author: str = ""
    author_is_bot: bool = False
    agent: str | None = None  # the coding agent that wrote it, when we believe so
    agent_why: str | None = None
    updated_at: str = ""  # GitHub's own stamp (ISO 8601, sorts as text): older payloads are ignored
    opened_at: float = 0.0
    closed_at: float | None = None
    displayed: str | None = None  # id of the deployment that the sticky comment shows
    comment_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    comment_digest: str | None = None  # of the body GitHub has
    comment_at: float = 0.0
    receipt: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # what closing removed
    keep_until: float | None = None  # somebody asked to keep its preview: it does not expire before
    changes: int = 0  # counts up with everything worth telling
    told: int = 0  # the count that GitHub shows; lower than `changes`: there is something to tell
    merge_sha: str | None = None  # the merge's commit, once it has a preview because it is not what was shown


class Allowance(SQLModel, table=True):
    """Somebody with write permission has read one commit of a fork and asked to run it: that commit, no other."""

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sha: str = Field(primary_key=True)
    by_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    by_login: str
    at: float


class State(StrEnum):
    """Where a deployment stands."""

    QUEUED = "queued"
    FETCHING = "fetching"
    BUILDING = "building"
    STARTING = "starting"
    LIVE = "live"
    ASLEEP = "asleep"  # wakes on the next request
    REPLACED = "replaced"  # a newer commit is live; its own address still wakes it
    FAILED = "failed"
    CANCELLED = "cancelled"  # superseded or closed before it was live
    REFUSED = "refused"  # not ours to run: a fork
    REMOVED = "removed"  # closed or expired; nothing is left

    @property
    def ended(self) -> bool:
        """Nothing of it runs, nor will by itself."""
        return self in (State.FAILED, State.CANCELLED, State.REFUSED, State.REMOVED)

    @property
    def working(self) -> bool:
        return self in (State.QUEUED, State.FETCHING, State.BUILDING, State.STARTING)


class Deployment(SQLModel, table=True):
    """An artifact in an environment over time.  A preview is one that expires."""

    __table_args__ = (Index("ix_deployment_pull", "project_id", "number"),)

    id: str = Field(default_factory=new_id, primary_key=True)
    delivery: str = Field(unique=True)  # guid of the delivery that asked for it: asked twice, made once
    environment: str = "preview"
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int | None = None  # of the pull request
    sha: str
    tree: str | None = None
    state: State = Field(default=State.QUEUED, sa_column=Column(_word(State), nullable=False, index=True))
    artifact: str | None = None  # digest
    plan: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    runner: str | None = None
    instance: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    reused: str | None = None  # why nothing was built: "same tree", ...
    failure: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # step, message, hint, path, line, log
    timeline: list[Any] = Field(default_factory=list, sa_column=Column(JSON))  # [[unix seconds, words], ...]
    received_at: float
    live_at: float | None = None
    ended_at: float | None = None
    active_at: float = 0.0  # last request or deploy
    check_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    check_told: str | None = None  # status/conclusion that GitHub has
    remote_id: int | None = Field(default=None, sa_column=Column(BigInteger))  # GitHub's id of this Deployment
    remote_told: str | None = None  # state that GitHub has


class Build(SQLModel, table=True):
    """A finished build: tree and plan in one trust domain, and the artifact that came of it."""

    key: str = Field(primary_key=True)  # scope, tree hash, plan digest, backend
    artifact: str = Field(index=True)  # digest
    record: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))  # runners.base.Artifact.as_json()
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    seconds: float = 0.0
    built_at: float = 0.0


class Route(SQLModel, table=True):
    """A hostname and where it leads.  `version` counts up over all routes: followers ask for what is newer."""

    host: str = Field(primary_key=True)
    deployment: str = Field(index=True)
    target: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # None: dropped
    version: int = Field(default=0, index=True)


class Traffic(SQLModel, table=True):
    """What the router saw of a deployment so far, added to every few seconds by whichever process routes.

    `runners.base.Traffic` says what the counters mean."""

    deployment: str = Field(primary_key=True)  # or a release's id: what `Target.deployment` says
    requests: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    failures: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    bytes_out: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    latency: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    marks: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))  # [[unix s, then], ...]
    updated_at: float = 0.0


class Effect(SQLModel, table=True):
    """A thing made at GitHub, written down before it is asked for: a crash in between is read back, not repeated."""

    key: str = Field(primary_key=True)  # "check:<deployment>", "deployment:<deployment>", "comment:<project>#<n>"
    remote_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    asked_at: float = 0.0


class Display(SQLModel, table=True):
    """What the sticky comment of a pull request showed as live, and since when.  Written once GitHub has taken it."""

    __table_args__ = (Index("ix_display_pull", "project_id", "number", "at"),)

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int
    deployment: str
    sha: str
    at: float


class Environment(SQLModel, table=True):
    """Where releases go.  `generation` counts the switches; `release` is the one that serves.

    The lease says who may switch: a claim, a fence that grows with each holder, and an end."""

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(primary_key=True)
    generation: int = 0
    release: str | None = None
    hold: str | None = None  # the reason; None: not held
    hold_by: str | None = None  # a login, or "slipway"
    hold_at: float | None = None
    hold_release: str | None = None  # the release that was rolled back from; None: a person held it
    lock_by: int | None = Field(default=None, sa_column=Column(BigInteger))
    lock_login: str | None = None
    lock_reason: str | None = None
    lock_until: float | None = None
    freeze_until: float | None = None
    freeze_reason: str | None = None
    freeze_by: str | None = None
    lease_claim: str | None = None
    lease_fence: int = 0
    lease_until: float = 0.0


class Stage(StrEnum):
    """Where a release stands."""

    RELEASING = "releasing"
    VERIFYING = "verifying"  # it serves and is watched
    VERIFIED = "verified"
    INCONCLUSIVE = "inconclusive"  # its window went by and it could not be measured
    FAILED = "failed"
    SUPERSEDED = "superseded"  # replaced by a promotion before there was a verdict; nothing had spoken against it
    ROLLED_BACK = "rolled_back"  # somebody went back from it
    REVOKED = "revoked"  # never to run again

    @property
    def pending(self) -> bool:
        """It has not served yet, and still may."""
        return self is Stage.RELEASING


class Release(SQLModel, table=True):
    """A deployment that can be returned to: one switch of an environment, or the try at one."""

    __table_args__ = (
        Index("ix_release_environment", "project_id", "environment", "generation"),
        Index("ix_release_pull", "project_id", "number"),
    )

    id: str = Field(default_factory=new_id, primary_key=True)
    delivery: str = Field(unique=True)  # guid of the delivery that asked for it: asked twice, made once
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    environment: str
    number: int | None = None  # of the pull request it came from
    deployment: str  # the preview that people saw
    sha: str
    tree: str | None = None
    artifact: str = Field(index=True)  # digest
    plan: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    kind: str = "promote"  # promote, rollback
    of: str | None = None  # the release that a rollback restores
    state: Stage = Field(default=Stage.RELEASING, sa_column=Column(_word(Stage), nullable=False, index=True))
    generation: int | None = None  # of the environment, since it serves
    instance: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    actor_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    actor_login: str = ""
    reason: str | None = None
    failure: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # step, message, log, paged, ...
    watch: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # n, samples, command, destroys, ...
    accepted_schema: bool = False
    started_at: float
    live_at: float | None = None
    ended_at: float | None = None
    remote_id: int | None = Field(default=None, sa_column=Column(BigInteger))  # GitHub's id of its Deployment
    remote_told: str | None = None  # state that GitHub has


class AuditEntry(SQLModel, table=True):
    """One line of the books, never changed and never removed: triggers refuse both (docs/audit.md).

    `digest` covers `seq`, `prev` and `payload`, so that each line stands for all before it.
    """

    __tablename__ = "audit_entry"

    seq: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))  # 1, 2, 3, ... without a gap
    prev: str = Field(sa_column=Column(String(64), nullable=False))  # the digest of the line before
    payload: str = Field(sa_column=Column(Text, nullable=False))  # canonical JSON of bot.audit.Entry
    digest: str = Field(sa_column=Column(String(64), nullable=False))  # sha256, hex
