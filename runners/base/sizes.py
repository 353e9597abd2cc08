"""How much a folder takes on disk, looked at now and then: a walk over thousands of files takes a moment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

FRESH = 600.0  # seconds that an answer is good for
_BLOCK = 512  # bytes: the unit of st_blocks, whatever the file system's own is


class Sizes:
    """Remembers what it saw."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[float, int]] = {}

    def of(self, folder: Path) -> int:
        """Bytes that a folder and all below it take; nothing for a missing one.  Blocks."""
        now = self._clock()
        at, size = self._seen.get(folder, (now - FRESH, 0))
        if now - at < FRESH:
            return size
        self._seen = {path: seen for path, seen in self._seen.items() if now - seen[0] < FRESH}
        size = _walk(folder)
        self._seen[folder] = (now, size)
        return size


def _walk(folder: Path) -> int:
    size, left = 0, [str(folder)]
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except OSError:  # it went away while we looked, or is not ours to look into
            continue
    return size
