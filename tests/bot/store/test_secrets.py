"""Secrets of environments: sealed with a key that is not in the database, bound to their place."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlmodel import Session

from bot.audit import Entry
from bot.errors import Misconfigured
from bot.models import Secret
from bot.store import engine, migrate, secrets
from bot.store.audit import lines

VALUE = "sk-" + "0123456789abcdef" * 2


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    database = engine.writing(url)
    with Session(database) as session:
        yield session
    database.dispose()


def entry(what: str = "secret.set", at: float = 100.0) -> Entry:
    return Entry(what, at, project_id=1, environment="preview", after={"name": "KEY"})


def put(session: Session, home: Path, value: str = VALUE, environment: str = "preview", at: float = 100.0) -> None:
    secrets.put(session, secrets.made(home), 1, environment, "KEY", value, entry(at=at))


def test_a_value_comes_back_only_where_it_was_set(session: Session, tmp_path: Path) -> None:
    put(session, tmp_path)

    assert secrets.values(session, tmp_path, 1, "preview") == {"KEY": VALUE}
    assert secrets.values(session, tmp_path, 1, "production") == {}
    assert secrets.values(session, tmp_path, 2, "preview") == {}
    assert secrets.names(session, 1, "preview") == ["KEY"]


def test_whoever_reads_the_database_has_no_value(session: Session, tmp_path: Path) -> None:
    put(session, tmp_path)
    session.commit()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("slipway.db*"))

    assert VALUE.encode() not in written
    assert b"KEY" in written
    assert all(VALUE not in line.payload for line in lines(session))


def test_the_key_is_for_its_owner_only_and_made_once(tmp_path: Path) -> None:
    first = secrets.made(tmp_path).encrypt(b"x")

    assert stat.S_IMODE((tmp_path / secrets.KEY_FILE).stat().st_mode) == 0o600
    assert secrets.made(tmp_path).decrypt(first) == b"x"
    assert [one.name for one in tmp_path.iterdir()] == [secrets.KEY_FILE]


def test_productions_value_moved_to_a_preview_by_whoever_may_write_rows_is_refused(
    session: Session, tmp_path: Path
) -> None:
    put(session, tmp_path, environment="production")
    row = session.get_one(Secret, (1, "production", "KEY"))
    session.add(Secret(project_id=1, environment="preview", name="KEY", sealed=row.sealed, set_at=1.0))
    session.flush()

    with pytest.raises(Misconfigured, match="moved"):
        secrets.values(session, tmp_path, 1, "preview")


def test_a_new_key_in_front_seals_and_the_old_one_still_opens(session: Session, tmp_path: Path) -> None:
    put(session, tmp_path)
    old = (tmp_path / secrets.KEY_FILE).read_text()
    (tmp_path / secrets.KEY_FILE).write_text(Fernet.generate_key().decode() + "\n" + old)

    assert secrets.values(session, tmp_path, 1, "preview") == {"KEY": VALUE}

    put(session, tmp_path, "another value")
    (tmp_path / secrets.KEY_FILE).write_text(old)
    with pytest.raises(Misconfigured, match="another key"):
        secrets.values(session, tmp_path, 1, "preview")


def test_a_lost_key_is_said_with_what_to_do(session: Session, tmp_path: Path) -> None:
    put(session, tmp_path)
    (tmp_path / secrets.KEY_FILE).unlink()

    with pytest.raises(Misconfigured, match=r"is gone.*Restore it, or set the value again"):
        secrets.values(session, tmp_path, 1, "preview")


def test_a_damaged_key_is_no_reason_to_make_another(tmp_path: Path) -> None:
    (tmp_path / secrets.KEY_FILE).write_text("no key\n")

    with pytest.raises(Misconfigured, match="can't be used"):
        secrets.made(tmp_path)
    assert (tmp_path / secrets.KEY_FILE).read_text() == "no key\n"


def test_what_was_set_last_says_when(session: Session, tmp_path: Path) -> None:
    assert secrets.changed_at(session, 1, "preview") == 0
    put(session, tmp_path, at=100.0)
    put(session, tmp_path, at=300.0)
    put(session, tmp_path, environment="production", at=900.0)

    assert secrets.changed_at(session, 1, "preview") == 300.0


def test_a_forgotten_one_is_gone_and_a_missing_one_leaves_no_line(session: Session, tmp_path: Path) -> None:
    put(session, tmp_path)

    assert secrets.remove(session, 1, "preview", "KEY", entry("secret.removed"))
    assert not secrets.remove(session, 1, "preview", "KEY", entry("secret.removed"))
    assert secrets.names(session, 1, "preview") == []
    assert secrets.listed(session) == []
    assert secrets.values(session, tmp_path, 1, "preview") == {}
    assert len(list(lines(session))) == 2
    put(session, tmp_path)
    assert secrets.names(session, 1, "preview") == ["KEY"]


def test_what_runs_with_a_value_that_was_removed_is_not_kept(session: Session, tmp_path: Path) -> None:
    put(session, tmp_path, at=100.0)
    secrets.remove(session, 1, "preview", "KEY", entry("secret.removed", at=200.0))

    assert secrets.changed_at(session, 1, "preview") == 200.0
