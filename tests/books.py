"""Empty books for tests: migrated once in a process, then copied; most tests only want to have them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from bot.store import migrate


def lay(path: Path) -> str:
    """An empty database in a file that is not there yet.  Returns its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    return f"sqlite:///{path}"


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "empty.db"
        migrate(f"sqlite:///{made}")
        return made.read_bytes()
