"""Installations, projects and their pull requests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer
from sqlmodel import Field, SQLModel

from bot.models.base import BigId


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


class Display(SQLModel, table=True):
    """What the sticky comment of a pull request showed as live, and since when.  Written once GitHub has taken it."""

    __table_args__ = (Index("ix_display_pull", "project_id", "number", "at"),)

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    project_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int
    deployment: str
    sha: str
    at: float


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
