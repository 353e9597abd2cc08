"""Policies, what pull requests make of them, and decisions made under them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from bot.models.base import BigId


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
