"""What scanners said of the heads of pull requests, and what became known afterwards."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, Text, text
from sqlmodel import Field, SQLModel


class Scan(SQLModel, table=True):
    """One head of one pull request, and the check run that tells of it.  Nothing in it holds a secret's text."""

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sha: str = Field(primary_key=True)
    base: str | None = None  # the merge base that it was compared with
    asked_at: float
    ended_at: float | None = None
    report: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # bot.scanners.findings.Report
    secrets: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))  # the part that is there first
    fault: str | None = Field(default=None, sa_column=Column(Text))  # why there is no report
    sbom: bytes | None = Field(default=None, sa_column=Column(LargeBinary))  # CycloneDX as JSON, zlib
    run: int = 0  # of the check: one that has ended is never opened again
    check_id: int | None = Field(default=None, sa_column=Column(BigInteger))  # of the run that goes on
    told: str | None = None  # digest of what the latest run that has ended says


class LateFinding(SQLModel, table=True):
    """What became known against a head after its scan, from the advisories."""

    __tablename__ = "late_finding"

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sha: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    finding: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))  # bot.scanners.findings.Finding
    since: bool  # it became known after the scan
    at: float
    day: int | None = None  # the night that told of it; None: a promotion asked, and no night has seen it yet


class Night(SQLModel, table=True):
    """One night's look at what a project serves, and what people are told of it; made once."""

    __table_args__ = (Index("ix_night_untold", "at", sqlite_where=text("told_at IS NULL")),)

    project_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    day: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))  # since 1970, from 02:00 UTC on
    at: float
    found: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    fault: str | None = Field(default=None, sa_column=Column(Text))  # what could not be looked at, and why
    told_at: float | None = None  # the webhook took it, or there is nothing to tell
