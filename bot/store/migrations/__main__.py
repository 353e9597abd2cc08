"""Write a migration: the difference between the history so far and the models."""

from __future__ import annotations

import sys
import tempfile

from alembic import command

from bot.store import engine


def write(words: str, revision: str | None = None) -> None:
    """Add a file to versions/; read it before you commit it."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/empty.db"
        engine.migrate(url)
        database = engine.writing(url)
        with database.begin() as connection:
            command.revision(engine.configuration(connection), words, autogenerate=True, rev_id=revision)
        database.dispose()


if __name__ == "__main__":
    write(" ".join(sys.argv[1:]))
