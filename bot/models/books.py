"""The books that are never changed."""

from __future__ import annotations

from sqlalchemy import Column, String, Text
from sqlmodel import Field, SQLModel

from bot.models.base import BigId


class AuditEntry(SQLModel, table=True):
    """One line of the books, never changed and never removed: triggers refuse both (docs/audit.md).

    `digest` covers `seq`, `prev` and `payload`, so that each line stands for all before it.
    """

    __tablename__ = "audit_entry"

    seq: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))  # 1, 2, 3, ... without a gap
    prev: str = Field(sa_column=Column(String(64), nullable=False))  # the digest of the line before
    payload: str = Field(sa_column=Column(Text, nullable=False))  # canonical JSON of bot.audit.Entry
    digest: str = Field(sa_column=Column(String(64), nullable=False))  # sha256, hex
