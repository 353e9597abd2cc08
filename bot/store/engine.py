"""SQLite set up so that nothing committed is lost and no update is: the engines, and the schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError

from bot.errors import Misconfigured

_PRAGMAS = (
    "busy_timeout = 30000",  # ms; first, because the switch to WAL needs the lock
    "journal_mode = WAL",
    "synchronous = FULL",  # a commit survives a power cut
    "journal_size_limit = 67108864",  # bytes
)
# The books and the ledger are only added to.  A batch migration, which rebuilds a table, drops its triggers without a
# word, so they are made sure of after each one.  The last of each also stops REPLACE, which fires no DELETE trigger.
GUARDS = {
    "audit_entry_update": "BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, 'the books are never changed'); END",
    "audit_entry_delete": (
        "BEFORE DELETE ON audit_entry BEGIN SELECT RAISE(ABORT, 'nothing is removed from the books'); END"
    ),
    "audit_entry_insert": (
        "BEFORE INSERT ON audit_entry WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit_entry)"
        " BEGIN SELECT RAISE(ABORT, 'the books only grow at their end'); END"
    ),
    "ledger_entry_update": (
        "BEFORE UPDATE ON ledger_entry BEGIN SELECT RAISE(ABORT, 'the ledger is never changed'); END"
    ),
    "ledger_entry_delete": (
        "BEFORE DELETE ON ledger_entry BEGIN SELECT RAISE(ABORT, 'nothing is removed from the ledger'); END"
    ),
    "ledger_entry_insert": (
        "BEFORE INSERT ON ledger_entry WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM ledger_entry)"
        " BEGIN SELECT RAISE(ABORT, 'the ledger only grows at its end'); END"
    ),
}


def parse(url: str) -> URL:
    """The address of a SQLite file.  Raises Misconfigured for everything else, naming no password."""
    try:
        made = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("DATABASE_URL is no database address; write sqlite:////path/to/slipway.db") from error
    if made.get_backend_name() != "sqlite":
        raise Misconfigured(
            "PostgreSQL comes later; set DATABASE_URL to sqlite:////path/to/slipway.db or leave it out."
        )
    if made.database in (None, "", ":memory:") or made.query:
        raise Misconfigured("DATABASE_URL must name a file: sqlite:////path/to/slipway.db")
    return made.set(drivername="sqlite")


def path_of(url: str) -> Path:
    return Path(str(parse(url).database))


def writing(url: str) -> Engine:
    """For the one writer.  BEGIN IMMEDIATE: a lock taken up front waits its turn, one taken later fails at once."""
    return _engine(url, "BEGIN IMMEDIATE", "foreign_keys = ON")


def reading(url: str, at_once: int) -> Engine:
    return _engine(url, "BEGIN", "query_only = ON", at_once)


def migrate(url: str) -> None:
    """Bring the schema up to date, in one transaction.  Raises Misconfigured when the database is not ours to use."""
    path = path_of(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = _engine(url, "BEGIN IMMEDIATE", "foreign_keys = OFF")  # batch migrations rebuild tables
        try:
            with engine.begin() as connection:
                command.upgrade(configuration(connection), "head")
                for name, what in GUARDS.items():
                    connection.exec_driver_sql(f"CREATE TRIGGER IF NOT EXISTS {name} {what}")
        finally:
            engine.dispose()
    except CommandError as error:
        raise Misconfigured(f"{path} was written by another version of Slipway: {error}") from error
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise Misconfigured(f"The database {path} can't be used: {reason}") from error


def configuration(connection: Connection) -> Config:
    """Alembic's settings, made here so that an installed package needs no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _engine(url: str, begin: str, pragma: str, pool_size: int = 1) -> Engine:
    engine = create_engine(
        parse(url), pool_size=pool_size, max_overflow=0, connect_args={"check_same_thread": False, "timeout": 30}
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: object, _record: object) -> None:
        # Without this, pysqlite decides when a transaction begins: 600 of 900 concurrent updates were lost that way.
        connection.isolation_level = None  # type: ignore[attr-defined]
        for line in (*_PRAGMAS, pragma):
            connection.execute(f"PRAGMA {line}")  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
