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
    pusher_id: int | None = Field(default=None, sa_column=Column(BigInteger))  # who pushed last, as GitHub said
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger))  # its account, when rules for agents hold
    via_app: int | None = Field(default=None, sa_column=Column(BigInteger))  # opened through it; 0: through none
    attempts_from: float | None = None  # a person had a hand in it: failures before that don't count
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


class AgentFreeze(SQLModel, table=True):
    """The kill switch: nothing that this account's machine writes is built, run or obeyed in the project."""

    __tablename__ = "agent_freeze"

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    agent_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    login: str = ""  # when it was frozen, for people
    reason: str
    by_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    by_login: str
    at: float
    until: float | None = None  # None: until somebody lifts it


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

    __table_args__ = (
        Index("ix_deployment_pull", "project_id", "number"),
        Index("ix_deployment_agent", "agent_id", "admitted_at"),
    )

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
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger))  # whose preview it was when it was let in
    admitted_at: float | None = None  # let in: it counts for the rate of its agent
    limits: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # of its agent, as they stood then
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


class Leave(SQLModel, table=True):
    """A person's word by command, for one commit: an approval, an acknowledgement, a rule that is lifted."""

    __table_args__ = (Index("ix_leave_pull", "project_id", "number"),)

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int
    kind: str  # approve, ack, override, confirm
    what: str  # the environment, what is acknowledged, or the rule
    sha: str
    by_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    by_login: str
    reason: str | None = None
    at: float
    until: float | None = None  # None: as long as the commit is the head


class Gate(SQLModel, table=True):
    """The check `slipway/gate` at one commit: the head of pull requests, or of a group in the merge queue.

    A completed run is never opened again: `run` counts them."""

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sha: str = Field(primary_key=True)
    run: int = 0
    check_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    # Of the latest run; None: it goes on.  "none": there is no run yet.  "ending": GitHub is being told how it ends.
    # "left": it was a success, and nothing has the commit for its head any more.
    conclusion: str | None = None
    title: str = ""
    opened_at: float = 0.0  # the latest run
    number: int | None = None  # merge group: the pull request that it adds to what is before it
    base: str | None = None  # merge group: the commit it stands on, which may be another group's


class AuditEntry(SQLModel, table=True):
    """One line of the books, never changed and never removed: triggers refuse both (docs/audit.md).

    `digest` covers `seq`, `prev` and `payload`, so that each line stands for all before it.
    """

    __tablename__ = "audit_entry"

    seq: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))  # 1, 2, 3, ... without a gap
    prev: str = Field(sa_column=Column(String(64), nullable=False))  # the digest of the line before
    payload: str = Field(sa_column=Column(Text, nullable=False))  # canonical JSON of bot.audit.Entry
    digest: str = Field(sa_column=Column(String(64), nullable=False))  # sha256, hex


# Money.  All amounts are millionths of one currency; scopes are `bot.budgets.Scope` as text ("project:12").


class Reservation(SQLModel, table=True):
    """Money put aside for one piece of work before it was begun, and what that work has used since.

    `held` is what is still put aside: what is booked is taken off it."""

    __table_args__ = (
        Index("ix_reservation_open", "expires_at", sqlite_where=text("state = 'open'")),
        Index("ix_reservation_history", "project_id", "kind", "ended_at"),
        Index("ix_reservation_deployment", "deployment"),
    )

    work: str = Field(primary_key=True)  # "build:<deployment>", "run:<deployment or release>:<n>"
    kind: str  # build, run
    deployment: str
    project_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    state: str = "open"  # open, settled, reaped (its time ran out before anybody settled it)
    estimate: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    held: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    spent: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))  # its entries in the ledger
    metered: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))  # bot.budgets.Usage
    booked: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))  # in the ledger so far
    made_at: float
    booked_at: float
    expires_at: float
    ended_at: float | None = None


class LedgerEntry(SQLModel, table=True):
    """One amount that was spent, or the correction of one.  Never changed and never removed: triggers refuse both."""

    __tablename__ = "ledger_entry"
    __table_args__ = (Index("ix_ledger_entry_project", "project_id", "at"), Index("ix_ledger_entry_work", "work"))

    seq: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))  # 1, 2, 3, ... without a gap
    work: str
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    usage: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))  # bot.budgets.Usage, since the entry before
    prices: str  # digest of the price list
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    corrects: int | None = Field(default=None, sa_column=Column(BigInteger))  # seq of another entry
    reason: str | None = None
    at: float = Field(index=True)  # the period it counts in; a correction counts where the corrected entry does
    written_at: float


class PriceList(SQLModel, table=True):
    """The prices behind a digest in the ledger."""

    __tablename__ = "price_list"

    digest: str = Field(primary_key=True)
    prices: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))  # bot.budgets.Prices
    since: float


class Purse(SQLModel, table=True):
    """What is put aside at the moment for all that a scope has under way."""

    scope: str = Field(primary_key=True)
    held: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class Spend(SQLModel, table=True):
    """What a scope has spent in one period: the sum of its ledger entries, kept."""

    scope: str = Field(primary_key=True)
    span: str = Field(primary_key=True)  # day, week, month, lifetime
    zone: str = Field(primary_key=True)
    start: float = Field(primary_key=True)
    end: float | None = None
    spent: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class Alert(SQLModel, table=True):
    """A threshold of a limit that was reached in one period: told once."""

    __table_args__ = (Index("ix_alert_untold", "at", sqlite_where=text("told_at IS NULL")),)

    scope: str = Field(primary_key=True)
    span: str = Field(primary_key=True)
    zone: str = Field(primary_key=True)
    start: float = Field(primary_key=True)
    threshold: int = Field(primary_key=True)  # per cent; 0: the forecast
    project_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))  # where it was noticed
    label: str = ""
    limit_micro: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    spent: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    runs_out: float | None = None
    at: float
    told_at: float | None = None  # the webhook took it, or there is none


class Meter(SQLModel, table=True):
    """The last reading of what runs of a deployment or release: the next one books the difference."""

    deployment: str = Field(primary_key=True)
    instance: str = ""
    life: str = ""  # of the counters: another one began at nothing
    cpu_us: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    out: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))  # bytes sent to visitors so far
    at: float = 0.0


# Policy.


class PolicyText(SQLModel, table=True):
    """One layer's policy file as GitHub showed it last, and the last one that could be used."""

    __tablename__ = "policy_text"

    layer: str = Field(primary_key=True)  # "project:<id>", "organization:<installation id>"
    text: bytes | None = Field(default=None, sa_column=Column(LargeBinary))  # None: there is no file
    sha: str | None = None  # git's hash of it
    fault: str | None = Field(default=None, sa_column=Column(Text))  # why it is no policy
    valid_text: bytes | None = Field(default=None, sa_column=Column(LargeBinary))  # None: this layer says nothing
    valid_sha: str | None = None
    read_at: float  # first read like that


class PolicyChange(SQLModel, table=True):
    """What a pull request would make of the policy: the verdict on the head that was looked at last."""

    __tablename__ = "policy_change"

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sha: str
    way: str  # tighter, looser, other, invalid; none: the head does not touch it
    told: str | None = None  # digest of the check that GitHub shows at this head
    run: int = 0  # checks that were made there: one that has ended is never opened again
    at: float


class Decision(SQLModel, table=True):
    """A verdict and all that it was made of, so that it can be explained, and made again under other rules."""

    __table_args__ = (Index("ix_decision_pull", "project_id", "number", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: float
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int | None = None  # of the pull request
    environment: str
    kind: str  # promote, gate
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))  # bot.policy.Facts, without the policy
    policy_digest: str
    allowed: bool
    codes: list[str] = Field(sa_column=Column(JSON, nullable=False))  # reason codes, the weightiest first
    rulings: list[Any] = Field(sa_column=Column(JSON, nullable=False))  # every rule that was asked: bot.policy.record
