"""A step's output on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

LIMIT = 4 * 1024 * 1024  # bytes of one deployment's log; what comes after is not kept


class FileLog:
    """Bounded, secrets struck out by `redact`, readable while it grows; called from any thread."""

    def __init__(self, path: Path, redact: Callable[[str], str], limit: int = LIMIT) -> None:
        self._path, self._redact, self._left, self._lock = path, redact, limit, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, text: str) -> None:
        raw = (self._redact(text.rstrip("\n")) + "\n").encode(errors="replace")
        with self._lock:
            if self._left <= 0:
                return
            if len(raw) > self._left:
                raw = raw[: self._left] + b"\n[the log is longer than is kept]\n"
            self._left -= len(raw)
            with self._path.open("ab") as file:
                file.write(raw)


def end_of(path: Path, most: int = 16 * 1024) -> str:
    """The end of a log file; nothing when there is none yet."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
