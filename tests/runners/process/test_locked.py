"""A box ends what runs in it, keeps it from the network and from our files, and tells what came of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runners.base.box import Ended
from runners.isolation import processes
from runners.process.locked import ProcessBox

MB = 1024 * 1024


class Ground:
    """A folder that everybody may look at, as a scan lays it out, and a box to run in."""

    def __init__(self, top: Path) -> None:
        self.folder, self.cache, self.box = top / "tree", top / "cache", ProcessBox()
        self.folder.mkdir(mode=0o755)
        self.cache.mkdir(mode=0o755)

    async def sh(self, script: str, *more: str, seconds: float = 20.0, most: int = MB, cache: bool = False) -> Ended:
        return await self.run(["/bin/sh", "-c", script, "sh", *more], seconds=seconds, most=most, cache=cache)

    async def run(self, argv: Sequence[str], *, seconds: float = 20.0, most: int = MB, cache: bool = False) -> Ended:
        return await self.box.run(
            argv,
            folder=self.folder,
            readable=[],
            cache=self.cache if cache else None,
            env={"GIVEN": "yes"},
            seconds=seconds,
            most=most,
        )


@pytest.fixture
def ground() -> Iterator[Ground]:
    top = Path(tempfile.mkdtemp(prefix="ground-"))  # pytest's own folders are closed to nobody
    top.chmod(0o755)
    yield Ground(top)
    shutil.rmtree(top)


@pytest.fixture
def spaces(ground: Ground) -> None:
    asyncio.run(ground.sh("true"))
    if "namespaces" not in ground.box.name:
        pytest.skip("the kernel gives no namespaces here")


def running(word: str) -> list[str]:
    """The command lines that have this word in them."""
    found = []
    for pid in processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(b" ".join(words).decode(errors="replace"))
    return found


async def test_tells_the_output_the_code_and_the_complaints(ground: Ground) -> None:
    ended = await ground.sh("echo seen; echo alas >&2; exit 7")
    assert (ended.code, ended.output, ended.errors, ended.why) == (7, b"seen\n", "alas", None)


async def test_runs_in_the_folder_and_sees_nothing_of_our_environment(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", "hunter2")
    (ground.folder / "file").write_text("in the tree")
    ended = await ground.sh('cat file; echo "|$OUR_SECRET|$GIVEN"; test -w "$HOME" && test -w "$TMPDIR" && echo own')
    assert ended.output == b"in the tree||yes\nown\n"


async def test_its_home_is_thrown_away(ground: Ground) -> None:
    ended = await ground.sh('touch "$HOME/left"; echo "$HOME"')
    assert ended.code == 0
    assert not Path(ended.output.decode().strip()).exists()


async def test_what_takes_too_long_is_ended(ground: Ground) -> None:
    began = time.monotonic()
    ended = await ground.sh("exec sleep 30", seconds=0.4)
    assert (ended.code, ended.why) == (None, "took longer than 0.4 s")
    assert time.monotonic() - began < 10


async def test_what_prints_too_much_is_ended(ground: Ground) -> None:
    ended = await ground.sh("exec cat /dev/zero", most=2 * MB)
    assert (ended.code, ended.why, ended.output) == (None, "printed more than 2 MB", b"")


async def test_endless_complaints_keep_only_their_end(ground: Ground) -> None:
    ended = await ground.sh("head -c 20000000 /dev/zero | tr '\\0' x >&2; echo the end >&2")
    assert ended.code == 0
    assert len(ended.errors) <= 2000
    assert ended.errors.endswith("the end")


async def test_a_crash_is_told(ground: Ground) -> None:
    ended = await ground.sh("kill -SEGV $$")
    assert ended.code is not None
    assert ended.code % 128 in (11, 128 - 11)


async def test_children_that_stay_are_ended_with_it(ground: Ground) -> None:
    word = f"31.{os.getpid()}"
    ended = await ground.sh(f"sleep {word} & setsid sleep {word} & echo done")
    assert ended.output == b"done\n"
    assert running(word) == []


@pytest.mark.usefixtures("spaces")
async def test_not_even_one_that_hides_its_origin_lives_on(ground: Ground) -> None:
    word = f"32.{os.getpid()}"
    await ground.sh(f"cd /; setsid env -i sleep {word} >/dev/null 2>&1 &")
    assert running(word) == []


async def test_a_cancelled_run_leaves_nothing(ground: Ground) -> None:
    word = f"33.{os.getpid()}"
    await ground.sh("true")
    run = asyncio.create_task(ground.sh(f"touch {ground.cache}/began; exec sleep {word}", cache=True))
    async with asyncio.timeout(10):
        while not (ground.cache / "began").exists():
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert running(word) == []


@pytest.mark.usefixtures("spaces")
async def test_the_tree_can_only_be_read_and_the_cache_written(ground: Ground) -> None:
    (ground.folder / "file").write_text("as it was")
    script = (
        "echo x >file; rm -f file; touch new; touch /etc/new; mount -o remount,bind,rw . && touch new; touch $1/kept"
    )
    await ground.sh(script, str(ground.cache), cache=True)
    assert [path.name for path in ground.folder.iterdir()] == ["file"]
    assert (ground.folder / "file").read_text() == "as it was"
    assert (ground.cache / "kept").exists()
    assert not Path("/etc/new").exists()


@pytest.mark.usefixtures("spaces")
async def test_of_the_machine_it_sees_the_system_and_what_it_was_given(ground: Ground) -> None:
    other = ground.folder.parent / "other"
    other.mkdir()
    ended = await ground.sh(
        f"ls -d {other} {Path.home()} /run /var {Path(__file__)}; ls {other.parent}; echo $$ >/dev/null"
    )
    assert ended.output == b"tree\n"


@pytest.mark.usefixtures("spaces")
async def test_a_closed_folder_is_read_too_and_not_written(ground: Ground) -> None:
    """Then it runs as ourselves, without any capability."""
    (ground.folder / "file").write_text("closed\n")
    ground.folder.chmod(0o700)
    ended = await ground.sh("cat file; touch new; grep CapEff /proc/self/status")
    assert ended.output.split() == [b"closed", b"CapEff:", b"0000000000000000"]
    assert not (ground.folder / "new").exists()


@pytest.mark.usefixtures("spaces")
async def test_below_a_closed_folder_it_is_nobody_all_the_same(ground: Ground) -> None:
    """The way there is made anew inside."""
    (ground.folder / "file").write_text("closed\n")
    ground.folder.parent.chmod(0o700)
    before = os.umask(0o077)
    try:
        ended = await ground.sh("cat file; id -u; touch $1/kept && echo kept", str(ground.cache), cache=True)
    finally:
        os.umask(before)
    assert ended.output.split() == [b"closed", str(65534 if os.geteuid() == 0 else 0).encode(), b"kept"]


@pytest.mark.usefixtures("spaces")
async def test_whoever_wants_all_of_the_machine_to_be_seen_is_not_run(ground: Ground) -> None:
    given = {"folder": ground.folder, "readable": [Path("/")], "cache": None, "env": {}}
    ended = await ground.box.run(["/bin/echo", "ran"], **given, seconds=20, most=MB)  # type: ignore[arg-type]
    assert (ended.code, ended.output) == (125, b"")


@pytest.mark.usefixtures("spaces")
async def test_the_kernels_switches_are_closed_to_root_without_rights_too(ground: Ground) -> None:
    ground.folder.chmod(0o700)
    switch = "/proc/sys/kernel/core_pattern"  # opened only: what it says stays
    ended = await ground.sh(f"echo alive >/proc/self/fd/1; (: >>{switch}) && echo opened")
    assert ended.output == b"alive\n"


async def test_there_is_no_network(ground: Ground) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    script = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached"
    async with server:
        ended = await ground.run(["/bin/bash", "-c", script])
        if "of its own" not in ground.box.name:
            pytest.skip("the kernel gives no network of one's own here")
        assert ended.code != 0
        assert b"reached" not in ended.output


async def test_as_root_it_runs_as_nobody(ground: Ground) -> None:
    ended = await ground.sh("id -u")
    if os.geteuid() or "of its own" not in ground.box.name:
        pytest.skip("only root may choose who")
    assert ended.output == b"65534\n"


async def test_what_is_not_there_is_an_exit_code(ground: Ground) -> None:
    ended = await ground.run(["/nowhere/tool"])
    assert ended.code == 127


async def test_a_limit_on_files_holds(ground: Ground) -> None:
    ended = await ground.sh('head -c 300000000 /dev/zero >"$TMPDIR/large"')
    assert ended.code != 0
