"""A program in a session of its own: a clean environment, resource limits, and an end that takes its children along.

This isolates little: the program runs as our own user and sees what that user may see.  The limits are the
kernel's per-process ones; they stop accidents, not attacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from runners.base import Limits, RunnerError

MARK = "SLIPWAY_DEPLOYMENT"  # environment variable by which children that left the session are known
LARGEST_FILE = 1024**3  # bytes of one file
_LINUX = sys.platform == "linux"
_DEAD = frozenset("ZX")
_STOPPED = frozenset("Tt")
_SCRIPT = 'cd "$1" || exit 126; {limits}exec nice -n {nice} /bin/sh -c "$2"'
_T = TypeVar("_T")


class Leader(NamedTuple):
    """A process by number and start time: the number alone is used again.

    `started` is in ticks since boot on Linux, in Unix seconds elsewhere."""

    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: str) -> Self:
        pid, _, started = text.partition(":")
        return cls(int(pid), int(started))

    @classmethod
    def of(cls, pid: int) -> Self:
        row = processes((pid,)).get(pid)
        return cls(pid, row.started if row else 0)

    def lives(self) -> bool:
        """It runs, and is not another one with the same number."""
        row = processes((self.pid,)).get(self.pid)
        return row is not None and row.started == self.started and row.state not in _DEAD


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One line of the process table.  `session` is the process group where the system does not tell sessions."""

    pid: int
    session: int
    state: str
    started: int
    threads: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """All that one program started: its session, what carries its mark, and what stands in its folder."""

    mark: str
    folder: Path
    leader: Leader | None = None

    def members(self) -> set[int]:
        """The living ones.  Blocks for some milliseconds."""
        return {row.pid for row in self.rows()}

    def rows(self) -> list[Row]:
        """The living ones, as the process table has them.  Blocks for some milliseconds."""
        table = processes()
        head = table.get(self.leader.pid) if self.leader else None
        session = head.pid if head and self.leader and head.started == self.leader.started else None
        return [
            row
            for row in table.values()
            if row.state not in _DEAD and row.pid != os.getpid() and (row.session == session or self._claims(row))
        ]

    def _claims(self, row: Row) -> bool:
        if self.leader and row.started < self.leader.started:  # most processes are older: spares two looks each
            return False
        return _mark(row.pid) == self.mark or _stands_in(row.pid, self.folder)


class Child:
    """A program that we started ourselves and must reap."""

    def __init__(self, pid: int) -> None:
        self.leader = Leader.of(pid)
        self.code: int | None = None

    def poll(self) -> int | None:
        """The exit code, minus the signal's number when one ended it; None while it runs."""
        if self.code is None:
            try:
                pid, status = os.waitpid(self.leader.pid, os.WNOHANG)
            except ChildProcessError:  # somebody who waits for any child was faster
                self.code = 255
            else:
                self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    async def wait(self) -> int:
        """Its exit code, when it has ended."""
        if self.poll() is None and _LINUX:
            await self._ended()
        while (code := self.poll()) is None:
            await asyncio.sleep(0.01)
        return code

    async def _ended(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            descriptor = os.pidfd_open(self.leader.pid)
        except OSError:  # a kernel before 5.3
            return
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def environment(folder: Path, mark: str, path: str, given: Mapping[str, str]) -> dict[str, str]:
    """All that a program gets to see: nothing of our own but the language.  Makes its HOME and TMPDIR in `folder`."""
    home, tmp = folder / "home", folder / "tmp"
    for each in (home, tmp):
        each.mkdir(parents=True, exist_ok=True)
    basis = {"PATH": path, "HOME": str(home), "TMPDIR": str(tmp), "LANG": os.environ.get("LANG") or "C.UTF-8"}
    return {**basis, **given, MARK: mark}


def spawn(command: str, *, cwd: Path, env: Mapping[str, str], limits: Limits, output: int, nice: int = 0) -> Child:
    """Start a command line of the project's own in a new session; `output` takes what it prints.

    posix_spawn rather than subprocess: what runs must outlive us and the event loop's watchers."""
    script = _SCRIPT.format(limits=_ulimits(limits), nice=nice)
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", script, "sh", str(cwd), command],
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _handed_down() if descriptor != output),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM],
    )
    return Child(pid)


async def end(group: Group, grace: float = 3.0) -> None:
    """Ask all members to end, and after `grace` seconds make them.  Raises RunnerError when some can't be ended."""
    members = await asyncio.to_thread(group.members)
    if members and grace:
        _signal(members, signal.SIGTERM)
        _signal(members, signal.SIGCONT)  # what is stopped can't hear
        until = time.monotonic() + grace
        while members and time.monotonic() < until:
            await asyncio.sleep(0.02)
            members = await asyncio.to_thread(group.members)
    until = time.monotonic() + 5
    while members:
        if time.monotonic() > until:
            raise RunnerError(f"{len(members)} processes of {group.folder.name} can't be ended")
        _signal(members, signal.SIGKILL)
        await asyncio.sleep(0.005)
        members = await asyncio.to_thread(group.members)


def freeze(group: Group) -> int:
    """Stop all members, also those born meanwhile; how many there are.  Blocks for some milliseconds."""
    until = time.monotonic() + 1
    while True:
        rows = group.rows()
        _signal({row.pid for row in rows if row.state not in _STOPPED}, signal.SIGSTOP)
        # "D": it waits in the kernel and stops on its way out.
        if all(row.state in _STOPPED or row.state == "D" for row in rows) or time.monotonic() > until:
            return len(rows)
        time.sleep(0.002)


def thaw(group: Group) -> int:
    """Let all members go on; how many there are."""
    members = group.members()
    _signal(members, signal.SIGCONT)
    return len(members)


async def to_end(work: Awaitable[_T]) -> _T:
    """Await what must not be left half done: a cancellation is obeyed when the work has ended."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and not task.cancelled():
        task.exception()
        raise cancelled
    return task.result()


def processes(only: tuple[int, ...] | None = None) -> dict[int, Row]:
    """The process table, by number."""
    if not _LINUX:
        return _ask_ps()
    names = map(str, only) if only else (path.name for path in Path("/proc").iterdir() if path.name.isdigit())
    rows = (_stat(name) for name in names)
    return {row.pid: row for row in rows if row}


def marks() -> dict[int, str]:
    """All processes that carry a mark, and which.  Blocks for some milliseconds."""
    return {pid: mark for pid in processes() if (mark := _mark(pid))}


def parse_ps(text: str) -> dict[int, Row]:
    """What `ps -axo pid=,pgid=,state=,lstart=` prints, in the C locale."""
    rows = {}
    for line in text.splitlines():
        pid, group, state, started = line.split(None, 3)
        at = int(time.mktime(time.strptime(" ".join(started.split()), "%a %b %d %H:%M:%S %Y")))
        rows[int(pid)] = Row(int(pid), int(group), state[0], at)
    return rows


def _stat(name: str) -> Row | None:
    try:
        text = Path(f"/proc/{name}/stat").read_text(errors="replace")
    except OSError:  # it ended while we looked
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold anything, even blanks and brackets
    return Row(int(name), int(fields[3]), fields[0], started=int(fields[19]), threads=int(fields[17]))


def _ask_ps() -> dict[int, Row]:
    done = subprocess.run(
        ["ps", "-axo", "pid=,pgid=,state=,lstart="], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    )
    return parse_ps(done.stdout)


def _mark(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:  # somebody else's, or it ended
        return None
    words = (word for word in text.split("\0") if word.startswith(f"{MARK}="))
    return next(words, "=").partition("=")[2] or None


def _stands_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _handed_down() -> list[int]:
    """Files that were open when we were started; all that Python itself opens is closed in a child anyway."""
    found = []
    for path in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # the one we read this list with
            if int(path.name) > 2 and os.get_inheritable(int(path.name)):
                found.append(int(path.name))
    return found


def _ulimits(limits: Limits) -> str:
    """Shell words that set the limits, before anything of the project runs; in the shell's own units."""
    wanted = (
        ("c", resource.RLIMIT_CORE, 0, 1),
        ("n", resource.RLIMIT_NOFILE, limits.files, 1),
        ("f", resource.RLIMIT_FSIZE, LARGEST_FILE, 512),
        # Private memory, reserved stacks of threads included, so twice what it may really use.
        ("d", resource.RLIMIT_DATA, 2 * limits.memory, 1024),
    )
    words = []
    for letter, kind, value, unit in wanted:
        words.append(f"ulimit -{letter} {_at_most(kind, value) // unit}; ")
    if os.getuid():  # the kernel counts all tasks of a user, ours and other previews' too, and never root's
        tasks = sum(row.threads for row in processes().values()) + 8 * limits.pids
        tasks = _at_most(resource.RLIMIT_NPROC, tasks)
        words.append(f"ulimit -p {tasks} 2>/dev/null || ulimit -u {tasks}; ")  # shells differ in the letter
    if _LINUX:  # when memory runs out, it goes before we do
        words.append("echo 500 2>/dev/null >/proc/self/oom_score_adj; ")
    return "".join(words)


def _at_most(kind: int, value: int) -> int:
    most = resource.getrlimit(kind)[1]
    return value if most == resource.RLIM_INFINITY else min(value, most)
