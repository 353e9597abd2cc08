"""Values that a project's code reads and that stand in no repository."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary
from sqlmodel import Field, SQLModel


class Secret(SQLModel, table=True):
    """One variable of one environment.  The key to `sealed` is not in the database."""

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    environment: str = Field(primary_key=True)  # preview, production, ...: one never sees those of another
    name: str = Field(primary_key=True)
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # empty: removed
    set_at: float
