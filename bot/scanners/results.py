"""What was found in a file stays true for as long as file, path and scanners are the same."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from bot.scanners.findings import Finding

KEPT_SECONDS = 30 * 86400.0  # without having been asked for


@dataclasses.dataclass(frozen=True, slots=True)
class Results:
    """Findings by scanners, path and blob, as small files.  Blocks: ask it in a thread."""

    folder: Path

    def get(self, scanners: str, path: str, blob: str) -> list[Finding] | None:
        at = self._at(scanners, path, blob)
        try:
            raw = json.loads(at.read_bytes())
            os.utime(at)
            return [Finding.from_json(one) for one in raw]
        except (OSError, ValueError, TypeError, KeyError):
            return None  # not there, or cut off by a crash: it is looked at again

    def put(self, scanners: str, path: str, blob: str, findings: Sequence[Finding]) -> None:
        at = self._at(scanners, path, blob)
        at.parent.mkdir(parents=True, exist_ok=True)
        making = at.with_name(f"{at.name}.{secrets.token_hex(4)}")
        making.write_text(json.dumps([one.as_json() for one in findings]))
        making.replace(at)

    def forget(self, now: float | None = None) -> None:
        """Drop what nobody asked for in a long time."""
        before = (time.time() if now is None else now) - KEPT_SECONDS
        for at in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if at.stat().st_mtime < before:
                    at.unlink()

    def _at(self, scanners: str, path: str, blob: str) -> Path:
        name = hashlib.sha256("\0".join((scanners, path, blob)).encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / name[:2] / name[2:]
