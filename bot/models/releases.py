"""Environments and what they serve."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from bot.models.base import new_id, word


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
    state: Stage = Field(default=Stage.RELEASING, sa_column=Column(word(Stage), nullable=False, index=True))
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
