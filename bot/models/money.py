"""Money: what is put aside, what was spent, what people were told."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, text
from sqlmodel import Field, SQLModel

from bot.models.base import BigId


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
