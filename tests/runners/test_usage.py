"""What the process backend reads of the kernel, and how large a folder is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.base.sizes import Sizes
from runners.isolation import Group, Leader
from runners.process.usage import parse_stat, used

STAT = (
    "4242 (a ) S (b) Z 1 4240 4200 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 987654 1000 77 "
    "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0"
)


def test_a_name_with_brackets_does_not_shift_the_fields() -> None:
    times = parse_stat(STAT)

    assert (times.state, times.session, times.started, times.used, times.pages) == ("Z", 4200, 987654, 110, 77)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_child_that_ended_and_was_not_waited_for_is_counted_all_the_same(tmp_path: Path) -> None:
    """What it used must not seem to be gone, and come back when somebody waits for it."""
    program = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    while time.process_time() < 0.2: pass\n"
        "    os._exit(0)\n"
        "os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)\n"
        "print('ended', flush=True); sys.stdin.readline()\n"
        "os.wait()\n"
        "print('waited', flush=True); sys.stdin.readline()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, text=True,
        start_new_session=True,
    )  # fmt: skip
    with child:
        assert child.stdin and child.stdout
        group = Group("none/none", tmp_path, Leader.of(child.pid))
        seconds = []
        for word in ("ended", "waited"):
            assert child.stdout.readline().strip() == word
            found = used(group)
            assert found is not None
            seconds.append(found[0])
            child.stdin.write("\n")
            child.stdin.flush()
        assert child.wait() == 0

    assert seconds[0] >= 0.19
    assert abs(seconds[1] - seconds[0]) < 0.1
    assert used(group) is None


def test_a_folder_is_measured_now_and_then(tmp_path: Path) -> None:
    now = 0.0
    sizes = Sizes(lambda: now)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(os.urandom(50_000))
    (tmp_path / "loop").symlink_to(tmp_path)

    first = sizes.of(tmp_path)
    (tmp_path / "more").write_bytes(os.urandom(50_000))
    soon = sizes.of(tmp_path)
    now = 601.0
    later = sizes.of(tmp_path)

    assert 50_000 <= first < 90_000
    assert soon == first
    assert later >= first + 50_000
    assert sizes.of(tmp_path / "missing") == 0
