"""A home with a database in it, and the command as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session

from bot.cli import main
from bot.models import Project
from bot.store import engine, migrate


def slipway(*words: str) -> int:
    return main(words, lambda _web, _worker: 0, lambda _once: 0)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a database that knows one project."""
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    database = engine.writing(url)
    with Session(database) as session, session.begin():
        session.add(Project(id=1, installation_id=5, owner="acme", name="shop"))
    database.dispose()
    return url
