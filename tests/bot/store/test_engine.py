"""The set-up of SQLite, and the schema's history."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlmodel import SQLModel

from bot.errors import Misconfigured
from bot.store import Store, engine, migrate


def test_what_migrations_make_is_what_the_models_say(url: str) -> None:
    database = engine.writing(url)
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    database.dispose()


def test_partial_indexes_are_made_as_the_models_say(url: str) -> None:
    fresh = url.replace("slipway.db", "fresh.db")
    database = engine.writing(fresh)
    SQLModel.metadata.create_all(database)
    database.dispose()
    assert _indexes(url) == _indexes(fresh)


def test_a_second_migration_changes_nothing(url: str) -> None:
    before = _schema(url)
    migrate(url)
    assert _schema(url) == before


@pytest.mark.slow
def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(migrate, [url] * 3)
    assert _schema(url)


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    with sqlite3.connect(engine.path_of(url)) as raw:
        raw.execute("CREATE TABLE route (mine TEXT)")  # the baseline stumbles over it half-way
    raw.close()
    with pytest.raises(Misconfigured, match="already exists"):
        migrate(url)
    assert [name for name, _ in _schema(url)] == ["route"]


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    with sqlite3.connect(engine.path_of(url)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(Misconfigured, match="another version of Slipway"):
        migrate(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "slipway.db").write_text("not a database, but long enough to be looked at as one\n" * 100)
    url = f"sqlite:///{tmp_path}/slipway.db"
    with pytest.raises(Misconfigured, match="can't be used"):
        migrate(url)
    with pytest.raises(Misconfigured, match="can't be used"):
        Store.open(url)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "nonsense", "postgresql://u:hunter2@h/d"]
)
def test_other_addresses_are_refused_and_no_password_is_named(url: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        Store.open(url)
    assert "sqlite:///" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_postgresql_comes_later() -> None:
    with pytest.raises(Misconfigured, match="PostgreSQL comes later"):
        migrate("postgresql://localhost/slipway")


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/home/slipway.db")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_commits_survive_a_power_cut(url: str) -> None:
    database = engine.writing(url)
    with database.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    database.dispose()


def _schema(url: str) -> list[tuple[str, str]]:
    raw = sqlite3.connect(engine.path_of(url))
    rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    raw.close()
    return rows


def _indexes(url: str) -> set[tuple[str, str]]:
    raw = sqlite3.connect(engine.path_of(url))
    rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'").fetchall()
    raw.close()
    assert rows
    return {(name, " ".join(sql.split())) for name, sql in rows}
