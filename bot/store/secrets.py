"""Secrets of environments, sealed: whoever reads the database or a backup of it has none of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import Session, col, func, select

from bot.audit import Entry
from bot.errors import Misconfigured
from bot.models import Secret
from bot.store import audit

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

KEY_FILE = "secrets.key"  # in the home: one key a line, the first seals, the others still open
MOST = 64 * 1024  # bytes of a value; the kernel takes 128 KiB for one variable


def keys(home: Path) -> MultiFernet | None:
    """The keys of this installation; None: none was ever needed.  Raises Misconfigured."""
    from cryptography.fernet import Fernet, MultiFernet  # 20 ms to import, and most calls have no use for it

    try:
        lines = (home / KEY_FILE).read_text().split()
        return MultiFernet([Fernet(line) for line in lines])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{home / KEY_FILE} can't be used: {error}. Restore it from the backup.") from error


def made(home: Path) -> MultiFernet:
    """The keys of this installation, made now if there are none."""
    from cryptography.fernet import Fernet

    there = keys(home)
    if there is not None:
        return there
    home.mkdir(parents=True, exist_ok=True)
    fresh = home / f"{KEY_FILE}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(fresh, home / KEY_FILE)  # whoever comes second takes the first one's
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return made(home)


def put(
    session: Session, sealing: MultiFernet, project_id: int, environment: str, name: str, value: str, entry: Entry
) -> None:
    """Set or replace one.  `entry` is the line of the books; the value is in none."""
    # Sealed with its place, so that nobody who may write rows can move production's value to a preview.
    sealed = sealing.encrypt(json.dumps([project_id, environment, name, value]).encode())
    session.merge(Secret(project_id=project_id, environment=environment, name=name, sealed=sealed, set_at=entry.at))
    audit.append(session, entry)


def remove(session: Session, project_id: int, environment: str, name: str, entry: Entry) -> bool:
    """Forget one; False when there is none.  Its empty row says when, so that what runs with it is not kept."""
    row = session.get(Secret, (project_id, environment, name))
    if row is None or not row.sealed:
        return False
    row.sealed, row.set_at = b"", entry.at
    session.add(row)
    audit.append(session, entry)
    return True


def names(session: Session, project_id: int, environment: str) -> list[str]:
    """What is set, without the values."""
    return sorted(row.name for row in _of(session, project_id, environment))


def listed(session: Session) -> list[Secret]:
    """All rows, by place."""
    every = select(Secret).where(Secret.sealed != b"")
    return list(session.exec(every.order_by(col(Secret.project_id), Secret.environment, Secret.name)))


def changed_at(session: Session, project_id: int, environment: str) -> float:
    """When one was last set or removed, in Unix seconds; 0: never."""
    query = select(func.max(Secret.set_at)).where(Secret.project_id == project_id, Secret.environment == environment)
    return session.exec(query).one() or 0.0


def values(session: Session, home: Path, project_id: int, environment: str) -> dict[str, str]:
    """What an instance of that environment is given.  Raises Misconfigured when the key is not there or another."""
    return {row.name: opened(row, home) for row in _of(session, project_id, environment)}


def _of(session: Session, project_id: int, environment: str) -> list[Secret]:
    there = (Secret.project_id == project_id, Secret.environment == environment, Secret.sealed != b"")
    return list(session.exec(select(Secret).where(*there)))


def opened(row: Secret, home: Path) -> str:
    """The value of one.  Raises Misconfigured when its key is not there, or it was moved from another place."""
    from cryptography.fernet import InvalidToken

    opening = keys(home)
    place = f"{row.name} of {row.environment}"
    if opening is None:
        raise Misconfigured(
            f"{home / KEY_FILE} is gone, so {place} can't be opened. Restore it, or set the value again."
        )
    try:
        *where, value = json.loads(opening.decrypt(row.sealed))
    except InvalidToken as error:
        raise Misconfigured(
            f"{place} was sealed with another key than {home / KEY_FILE}. Set the value again."
        ) from error
    if where != [row.project_id, row.environment, row.name]:
        raise Misconfigured(f"{place} was moved there from another place. Set the value again.")
    return str(value)
