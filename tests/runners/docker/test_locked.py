"""A locked container keeps a tool from everything but what it is to read, and ends it for certain."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.scanners.running import scan
from bot.scanners.tools import SCANNERS
from runners import choose
from runners.base import Unavailable
from runners.base.box import Ended
from runners.docker.locked import DockerBox
from runners.process import locked
from runners.process.locked import ProcessBox
from tests.bot.scanners.kept import CACHE
from tests.conftest import base_images

pytestmark = pytest.mark.docker


class Ground:
    """A folder, a cache and a locked box."""

    def __init__(self, top: Path) -> None:
        self.top, self.folder, self.cache = top, top / "tree", top / "cache"
        self.folder.mkdir()
        self.home_id = f"test-{uuid.uuid4().hex[:8]}"
        self.box = DockerBox(top, self.home_id, images=base_images())

    async def sh(self, script: str, *, seconds: float = 60.0, most: int = 1024 * 1024) -> Ended:
        argv = ["/bin/sh", "-c", script]
        given = {"folder": self.folder, "readable": (), "cache": self.cache, "env": {"GIVEN": "yes"}}
        return await self.box.run(argv, **given, seconds=seconds, most=most)  # type: ignore[arg-type]


@pytest.fixture(params=["open", "closed"])
def top(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Also below a folder that nobody may pass."""
    closed = request.param == "closed" and os.geteuid() == 0
    made = Path(tempfile.mkdtemp(prefix="ground-", dir="/root" if closed else None))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def ground(top: Path, engine: Any) -> AsyncIterator[Ground]:
    ground = Ground(top)
    yield ground
    await ground.box.close()
    left = engine.containers(all=True, filters={"label": f"slipway.home={ground.home_id}"})
    for network in engine.networks(filters={"label": f"slipway.home={ground.home_id}"}):
        engine.remove_network(network["Id"])
    assert left == []


async def test_reads_the_folder_and_writes_nothing_but_the_cache(ground: Ground) -> None:
    (ground.folder / "file").write_text("as it was\n")
    (ground.folder / "file").chmod(0o644)
    ended = await ground.sh(
        f"cat file; id -u; echo $GIVEN; grep CapEff /proc/self/status; ls /sys/class/net; "
        f"touch new /etc/new /root/new; echo x >file; touch {ground.cache}/kept; echo alas >&2; exit 7"
    )
    assert ended.code == 7
    words = ended.output.decode().split()
    assert words[3:] == ["65534" if os.geteuid() == 0 else str(os.getuid()), "yes", "CapEff:", "0" * 16, "lo"]
    assert ended.errors.endswith("alas")
    assert [path.name for path in ground.folder.iterdir()] == ["file"]
    assert (ground.folder / "file").read_text() == "as it was\n"
    assert (ground.cache / "kept").exists()
    assert sorted(path.name for path in ground.top.iterdir()) == ["cache", "tree"]


async def test_what_hangs_or_floods_is_ended_and_removed(ground: Ground) -> None:
    hangs = await ground.sh("sleep 60 & exec sleep 60", seconds=2)
    floods = await ground.sh("exec cat /dev/zero")
    assert (hangs.code, hangs.why) == (None, "took longer than 2 s")
    assert (floods.code, floods.why, floods.output) == (None, "printed more than 1 MB", b"")


async def test_a_cancelled_run_leaves_no_container(ground: Ground) -> None:
    ground.cache.mkdir()
    run = asyncio.create_task(ground.sh(f"touch {ground.cache}/began; exec sleep 60"))
    async with asyncio.timeout(30):
        while not (ground.cache / "began").exists():
            await asyncio.sleep(0.02)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_the_default_tools_run_in_it(ground: Ground) -> None:
    (ground.folder / "a.py").write_text("import pickle\nb = pickle.loads(a)\n")
    (ground.folder / "a.js").write_text("module.exports = (req, res) => {\n  eval(req.query.a);\n};\n")
    (ground.folder / "Dockerfile").write_text("FROM debian\n")
    known = str(ground.top).startswith("/tmp")  # else kingfisher would make its cache anew, for six seconds
    tools = [tool for tool in SCANNERS if tool.needed and (known or not tool.keeps)]
    cache = CACHE if known else ground.cache
    findings, ran = await scan(ground.folder, ["a.py", "a.js", "Dockerfile"], ground.box, cache, tools)
    assert {each.tool for each in ran} >= {"ruff", "semgrep", "hadolint"}
    assert [each.fault for each in ran if each.fault] == []
    assert {each.tool for each in findings} == {"ruff", "semgrep", "hadolint"}


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locked, "_grounds", list)


@pytest.mark.usefixtures("no_namespaces")
async def test_it_is_chosen_where_there_are_no_namespaces_and_an_engine_sees_our_files(tmp_path: Path) -> None:
    box = await choose.box("auto", tmp_path, images=base_images())
    assert box.name == "docker"
    await box.close()
    assert [path.name for path in tmp_path.iterdir()] == ["id"]


@pytest.mark.usefixtures("no_namespaces")
async def test_an_engine_that_does_not_see_our_files_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object, **__: object) -> Ended:
        return Ended(1, b"", "no such file", 0.1)

    monkeypatch.setattr(DockerBox, "run", nothing)
    box = DockerBox(tmp_path, "test", images=base_images())
    with pytest.raises(Unavailable, match="does not see"):
        await box.ready()
    await box.close()
    assert isinstance(await choose.box("auto", tmp_path), ProcessBox)
