"""What the processes of an instance have used, asked of the kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from runners.isolation import Group

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Times(NamedTuple):
    """One line of the process table, as far as time goes: in clock ticks."""

    state: str
    session: int
    started: int
    used: int  # by itself, and by those of its children that have ended and that it has waited for
    pages: int  # resident


def used(group: Group) -> tuple[float, int] | None:
    """CPU seconds and bytes of memory of all that one program started.  Blocks for some milliseconds.

    A child that has ended is counted with whoever waited for it, and until then as what is left of it.  Only one that
    nobody of the group waits for is lost.  None: nothing runs, or this system does not tell (macOS)."""
    if sys.platform != "linux":
        return None
    living = group.members()
    if not living:
        return None
    table = {
        int(path.name): times for path in Path("/proc").iterdir() if path.name.isdigit() and (times := _stat(path))
    }
    head = table.get(group.leader.pid) if group.leader else None
    session = head.session if head and group.leader and head.started == group.leader.started else None
    ours = {pid for pid, times in table.items() if pid in living or (times.state == "Z" and times.session == session)}
    ticks = sum(table[pid].used for pid in ours)
    return ticks / _TICKS, sum(_memory(pid, table[pid].pages) for pid in ours & living)


def parse_stat(text: str) -> Times:
    """What /proc/<pid>/stat says."""
    fields = text.rpartition(")")[2].split()  # the name before may hold anything, even blanks and brackets
    return Times(
        state=fields[0],
        session=int(fields[3]),
        started=int(fields[19]),
        used=sum(map(int, fields[11:15])),
        pages=int(fields[21]),
    )


def _stat(path: Path) -> Times | None:
    try:
        return parse_stat((path / "stat").read_text(errors="replace"))
    except OSError:  # it ended while we looked
        return None


def _memory(pid: int, pages: int) -> int:
    """Its share of what it has in common with others, where the kernel says so; else all that is resident."""
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open() as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return pages * _PAGE
