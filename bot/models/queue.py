"""The queue."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Text, text
from sqlmodel import Field, SQLModel

from bot.models.base import BigId, word


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
    state: Work = Field(default=Work.QUEUED, sa_column=Column(word(Work), nullable=False))
    run_at: float = 0.0
    attempt: int = 0
    failures: int = 0  # attempts that count: a wait that GitHub asked for does not
    stop_asked: bool = False  # a newer delivery of the topic wants its place
    error: str | None = Field(default=None, sa_column=Column(Text))
    received_at: float
    started_at: float | None = None
    ended_at: float | None = None
    body: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))  # zlib of the JSON payload


class Effect(SQLModel, table=True):
    """A thing made at GitHub, written down before it is asked for: a crash in between is read back, not repeated."""

    key: str = Field(primary_key=True)  # "check:<deployment>", "deployment:<deployment>", "comment:<project>#<n>"
    remote_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    asked_at: float = 0.0
