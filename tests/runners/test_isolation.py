"""A program sees nothing of ours, has limits, and takes its children along when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runners.base import Limits
from runners.isolation import (
    MARK,
    Child,
    Group,
    Leader,
    Row,
    end,
    environment,
    freeze,
    marks,
    parse_ps,
    processes,
    spawn,
    thaw,
    to_end,
)

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="children that leave the session are found in /proc")


class Stage:
    """Starts command lines in a folder and reads what they print."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, self.children = folder, folder / "out", list[Child]()

    def start(self, command: str, limits: Limits | None = None, **given: str) -> tuple[Child, Group]:
        mark = f"test/{self.folder.name}-{len(self.children)}"
        env = environment(self.folder, mark, os.environ["PATH"], given)
        with self.out.open("ab") as out:
            child = spawn(command, cwd=self.folder, env=env, limits=limits or Limits(), output=out.fileno(), nice=3)
        self.children.append(child)
        return child, Group(mark, self.folder, child.leader)

    async def run(self, command: str, limits: Limits | None = None, **given: str) -> tuple[int, str]:
        child, _ = self.start(command, limits, **given)
        return await child.wait(), self.out.read_text()

    async def printed(self, word: str) -> None:
        while word not in self.out.read_text():
            await asyncio.sleep(0.005)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path.resolve())
    yield stage
    for number, child in enumerate(stage.children):
        await end(Group(f"test/{stage.folder.name}-{number}", stage.folder, child.leader), grace=0)
        await child.wait()


async def test_only_what_is_given_is_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "canary")

    _, printed = await stage.run("env", WORD="given")

    seen = dict(line.split("=", 1) for line in printed.splitlines())
    assert seen.keys() - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "TMPDIR", "LANG", "WORD", MARK}
    assert Path(seen["HOME"]).is_dir() and Path(seen["HOME"]).is_relative_to(stage.folder)
    assert Path(seen["TMPDIR"]).is_dir() and Path(seen["TMPDIR"]).is_relative_to(stage.folder)


async def test_it_runs_in_its_folder_in_a_session_of_its_own_and_reads_nothing(stage: Stage) -> None:
    child, _ = stage.start("pwd; wc -c; sleep 60")
    await stage.printed("\n0\n")

    assert stage.out.read_text().split() == [str(stage.folder), "0"]
    assert os.getsid(child.leader.pid) == child.leader.pid != os.getsid(0)


@needs_proc
async def test_no_file_of_ours_is_left_open_in_it(stage: Stage) -> None:
    with tempfile.TemporaryFile() as mine:
        os.set_inheritable(mine.fileno(), True)
        child, _ = stage.start("echo up; exec sleep 60")
        await stage.printed("up")

    held = {str(path.readlink()) for path in Path(f"/proc/{child.leader.pid}/fd").iterdir()}
    assert held == {os.devnull, str(stage.out)}


@pytest.mark.parametrize(
    ("command", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", -9), ("no-such-program", 127)]
)
async def test_its_exit_code_is_known(stage: Stage, command: str, code: int) -> None:
    assert (await stage.run(command))[0] == code


async def test_signals_that_we_ignore_are_not_ignored_in_it(stage: Stage) -> None:
    code, _ = await stage.run("kill -s PIPE $$; echo survived")

    assert code == -signal.SIGPIPE


async def test_a_folder_that_is_gone_ends_it(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        child = spawn("true", cwd=tmp_path / "gone", env={}, limits=Limits(), output=out.fileno())

    assert await child.wait() == 126


async def test_limits_are_set_on_it_and_its_children(stage: Stage) -> None:
    program = "import resource as r; print(*(r.getrlimit(k) for k in (r.RLIMIT_NOFILE, r.RLIMIT_CORE, r.RLIMIT_DATA)))"

    _, printed = await stage.run(f"sh -c '{sys.executable} -c \"{program}\"'", Limits(files=321, memory=256 * 1024**2))

    assert printed.split(") (") == ["(321, 321", "0, 0", f"{512 * 1024**2}, {512 * 1024**2})\n"]


@needs_proc
async def test_it_and_its_children_give_way_to_us(stage: Stage) -> None:
    _, printed = await stage.run("(nice; cat /proc/self/oom_score_adj)")

    assert printed.split() == [str(os.nice(0) + 3), "500"]


@needs_proc
async def test_too_much_memory_is_refused(stage: Stage) -> None:
    code, printed = await stage.run(f"{sys.executable} -c 'bytearray(300 * 1024 ** 2)'", Limits(memory=64 * 1024**2))

    assert code == 1
    assert "MemoryError" in printed


async def test_the_end_is_asked_for_first(stage: Stage) -> None:
    child, group = stage.start("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    await stage.printed("up")

    await end(group)

    assert await child.wait() == 0
    assert "bye" in stage.out.read_text()


async def test_who_does_not_listen_is_ended(stage: Stage) -> None:
    child, group = stage.start("trap '' TERM; echo up; while :; do sleep 0.01; done")
    await stage.printed("up")

    await end(group, grace=0.1)

    assert await child.wait() == -signal.SIGKILL


@needs_proc
@pytest.mark.parametrize(
    "command",
    [
        "sleep 61 & sleep 61 & echo up; wait",
        "setsid sleep 61 & echo up; wait",  # left the session
        "cd /; setsid sleep 61 & echo up; exit 0",  # and the folder, and lost its parent
        "env -i setsid sleep 61 & echo up; exit 0",  # without the mark, still in the folder
    ],
)
async def test_children_end_with_it(stage: Stage, command: str) -> None:
    child, group = stage.start(command)
    await stage.printed("up")
    while not group.members():
        await asyncio.sleep(0.005)

    await end(group, grace=1)

    await child.wait()
    assert group.members() == set()


async def test_what_is_not_its_own_is_left_alone(stage: Stage) -> None:
    stranger = subprocess.Popen(["sleep", "61"], cwd="/", start_new_session=True)
    try:
        _, group = stage.start("exit 0")
        recycled = Group(group.mark, stage.folder, Leader(stranger.pid, Leader.of(stranger.pid).started + 1))

        await end(recycled, grace=0)

        assert stranger.poll() is None
        assert not recycled.leader or not recycled.leader.lives()
    finally:
        stranger.kill()
        stranger.wait()


@needs_proc
async def test_the_frozen_do_nothing_and_go_on_when_thawed(stage: Stage) -> None:
    _, group = stage.start("sh -c 'while :; do echo tick; sleep 0.005; done' & wait")
    await stage.printed("tick")

    assert await asyncio.to_thread(freeze, group) >= 2
    states = {row.state for row in group.rows()}
    size = stage.out.stat().st_size
    assert states <= {"T", "D"}

    await asyncio.to_thread(thaw, group)
    while stage.out.stat().st_size == size:
        await asyncio.sleep(0.005)


async def test_the_frozen_can_be_ended(stage: Stage) -> None:
    child, group = stage.start("exec sleep 61")
    await asyncio.to_thread(freeze, group)

    await end(group, grace=1)

    assert await child.wait() == -signal.SIGTERM


@needs_proc
async def test_marks_tell_whose_a_process_is(stage: Stage) -> None:
    child, group = stage.start("echo up; exec sleep 61")
    await stage.printed("up")

    assert marks()[child.leader.pid] == group.mark


def test_a_leader_is_a_number_and_a_time() -> None:
    me = Leader.of(os.getpid())

    assert me.lives()
    assert Leader.parse(str(me)) == me
    assert not me._replace(started=me.started - 1).lives()
    assert not Leader(2**22 + 1, 0).lives()


@needs_proc
async def test_a_name_with_brackets_does_not_confuse_the_process_table(stage: Stage) -> None:
    program = stage.folder / "a) R 1 1 (b"
    program.symlink_to("/bin/sleep")
    child, _ = stage.start(f"exec '{program}' 61")
    while b"sleep" in (name := Path(f"/proc/{child.leader.pid}/comm").read_bytes()) or name == b"sh\n":
        await asyncio.sleep(0.005)

    assert processes((child.leader.pid,))[child.leader.pid].session == child.leader.pid


def test_what_ps_prints_is_understood() -> None:
    text = "    1     1 Ss   Thu Nov 19 09:05:00 2026\n  812   800 R+   Fri Nov 20 17:59:01 2026\n"

    started = int(time.mktime((2026, 11, 20, 17, 59, 1, 0, 0, -1)))
    assert parse_ps(text)[812] == Row(812, 800, "R", started)


async def test_work_that_must_end_ends_before_a_cancellation_is_obeyed() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        await asyncio.sleep(0.02)
        ended = True

    task = asyncio.create_task(to_end(work()))
    await asyncio.sleep(0)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_work_that_must_end_gives_its_result_or_error() -> None:
    async def work(fails: bool) -> int:
        if fails:
            raise ValueError("no")
        return 3

    assert await to_end(work(False)) == 3
    with pytest.raises(ValueError, match="no"):
        await to_end(work(True))


def test_the_exit_of_a_child_that_another_reaped_is_not_waited_for() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    child = Child(pid)
    os.waitpid(pid, 0)

    assert child.poll() == 255
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
