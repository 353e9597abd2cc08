"""Deployments, what was built for them, where they answer and what the router saw of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from bot.models.base import new_id, word


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
    state: State = Field(default=State.QUEUED, sa_column=Column(word(State), nullable=False, index=True))
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
