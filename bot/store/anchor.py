"""The anchor: a file, best on another machine, that remembers the head of the books.

With it a cut tail shows: a chain that lost its last lines is still a chain.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from bot.audit import Checkpoint, sign
from bot.errors import Misconfigured
from bot.models import AuditEntry

EVERY_SECONDS = 600.0
EVERY_LINES = 1000


class Anchor:
    """Appends a signed checkpoint whenever the books have grown for a while, or by much."""

    def __init__(self, path: Path, home: Path) -> None:
        self._path, self._home = path, home
        self._seq, self._at = 0, float("-inf")  # of the newest checkpoint of this run; the first comes at once

    async def note(self, head: AuditEntry | None, now: float) -> str | None:
        """Write a checkpoint when one is due and return its line.  Raises OSError when the file can't be written."""
        if head is None or head.seq == self._seq:
            return None
        if head.seq - self._seq < EVERY_LINES and now - self._at < EVERY_SECONDS:
            return None
        line = await asyncio.to_thread(self._append, Checkpoint(head.seq, head.digest, int(now)))
        self._seq, self._at = head.seq, now
        return line

    def _append(self, mark: Checkpoint) -> str:
        line = sign(mark, key_of(self._home))
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(file).st_size
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"  # a crash in the middle of a line
            os.write(file, f"{chr(10) if torn else ''}{line}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
        return line


def key_of(home: Path) -> Ed25519PrivateKey:
    """The key that signs checkpoints, made once; only its owner may read it.  Raises Misconfigured."""
    path = home / "audit.key"
    if not path.exists():
        _make(path)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise Misconfigured(f"{path} is no key; restore it from a backup, or the anchor can't go on.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} is no Ed25519 key; restore it from a backup, or the anchor can't go on.")
    return key


def _make(path: Path) -> None:
    """Whole or not at all, and never over one that is there."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(file, 0o600)
        os.write(file, pem)
        os.fsync(file)
    finally:
        os.close(file)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()
