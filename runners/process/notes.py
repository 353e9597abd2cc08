"""What an instance leaves on disk about itself: a note that outlives us, and its log.

instances/<deployment>/instance.json
instances/<deployment>/log      what it printed; written by the program itself, so cut from outside
instances/<deployment>/app, home, tmp
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runners.base import Instance
from runners.base.failures import clean
from runners.base.folders import Folders
from runners.isolation import Group, Leader

LONGEST_LOG = 8 * 1024 * 1024  # bytes; a longer one loses its beginning
_KEPT = 1024 * 1024
_TAIL = 256 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """Enough to find an instance again in our next life.  `port` is 0 until it was healthy."""

    home_id: str
    deployment: str
    leader: str  # runners.isolation.Leader as text
    health: str
    host: str = "127.0.0.1"
    port: int = 0

    def instance(self) -> Instance:
        return Instance(id=self.leader, deployment=self.deployment, runner="process", host=self.host, port=self.port)

    def write(self, folder: Path) -> None:
        fresh = folder / "instance.json.new"
        fresh.write_text(json.dumps(dataclasses.asdict(self)))
        fresh.replace(folder / "instance.json")


class Notes:
    """The instances of one home, as their folders tell of them."""

    def __init__(self, folders: Folders, home_id: str) -> None:
        self._folders, self._home_id = folders, home_id

    def folder(self, deployment: str) -> Path:
        if not deployment or "/" in deployment or deployment.startswith("."):
            raise ValueError(f"{deployment!r} is no deployment's id")
        return self._folders.instance(deployment)

    def group(self, deployment: str) -> Group:
        """The processes of a deployment, also when its note is lost."""
        note = self.read(deployment)
        leader = Leader.parse(note.leader) if note else None
        return Group(f"{self._home_id}/{deployment}", self.folder(deployment), leader)

    def read(self, deployment: str) -> Note | None:
        try:
            raw: dict[str, Any] = json.loads((self.folder(deployment) / "instance.json").read_text())
            note = Note(**raw)
        except (OSError, ValueError, TypeError):  # none, or not one of ours
            return None
        return note if (note.home_id, note.deployment) == (self._home_id, deployment) else None

    def running(self) -> Iterator[Note]:
        """Those of which something lives; one whose note was never written counts too.  Blocks."""
        instances = self._folders.home / "instances"
        for folder in sorted(instances.iterdir()) if instances.is_dir() else ():
            note = self.read(folder.name)
            if note and self.lives(note):
                yield note
            elif not (folder / "instance.json").exists() and (members := self.group(folder.name).members()):
                yield Note(self._home_id, folder.name, str(Leader.of(min(members))), "/")

    def unfinished(self) -> list[Path]:
        """Folders in which nothing runs: we were killed while we laid them out, or away.  Blocks."""
        instances = self._folders.home / "instances"
        others = ("instance.json", "note.json", "gate")  # the last two are the Docker backend's
        every = list(instances.glob("*"))
        found = [folder for folder in every if not any((folder / name).exists() for name in others)]
        dead = [folder for folder in every if (note := self.read(folder.name)) and not self.lives(note)]
        return [*(folder for folder in found if not self.group(folder.name).members()), *dead]

    def lives(self, note: Note) -> bool:
        """Its program, or at least a child of it, runs.  Blocks."""
        return Leader.parse(note.leader).lives() or bool(self.group(note.deployment).members())


def cut(log: Path) -> None:
    """Take the beginning from a log that grew too long.  The program goes on at the new end: it only ever appends."""
    try:
        if log.stat().st_size <= LONGEST_LOG:
            return
        kept = _end(log, _KEPT)
    except FileNotFoundError:
        return
    os.truncate(log, 0)
    with log.open("ab") as file:
        file.write(b"[the beginning was dropped]\n" + kept.partition(b"\n")[2])


def tail(log: Path, lines: int) -> str:
    """The last lines of a log, without colours and control characters; nothing when there is none."""
    try:
        text = _end(log, _TAIL).decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(clean(text).splitlines()[-lines:])


def _end(log: Path, size: int) -> bytes:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read(size)
