"""What scanners said of the heads of pull requests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, LargeBinary, Text
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
