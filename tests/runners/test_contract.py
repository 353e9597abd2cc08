"""Every backend keeps the promises of `runners.base.Runner`: one suite, run over each."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from runners.base import Runner
from runners.base.folders import Folders
from runners.choose.several import Several
from tests.conftest import base_images
from tests.runners.apps import Yard
from tests.runners.contract import Building, Running, RunningACommand, Starting
from tests.runners.contract_real import RealApps

pytestmark = [pytest.mark.filterwarnings("error")]
NewRunner = Callable[[str], Awaitable[Runner]]


def process_runner(folders: Folders, home_id: str) -> Runner:
    from runners.process import ProcessRunner

    return ProcessRunner(folders, home_id, certificates=_certificates())


def docker_runner(folders: Folders, home_id: str) -> Runner:
    from runners.docker import DockerRunner

    return DockerRunner(
        folders,
        home_id,
        certificates=_certificates(),
        images=base_images(),
    )


def several_runner(folders: Folders, home_id: str) -> Runner:
    return Several(process_runner(folders, home_id))


def _certificates() -> Path | None:
    told = os.environ.get("SSL_CERT_FILE")
    return Path(told) if told and Path(told).is_file() else None


@pytest.fixture(params=["process", "several", pytest.param("docker", marks=pytest.mark.docker)])
async def new_runner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewRunner]:
    """Makes runners of one backend on one home; what they left running is stopped at the end."""
    make = {"process": process_runner, "several": several_runner, "docker": docker_runner}[request.param]
    made: dict[Runner, str] = {}

    async def another(home_id: str) -> Runner:
        runner = make(Folders(tmp_path / "home"), f"{home_id}-{tmp_path.name}")
        made[runner] = home_id
        await runner.ready()
        return runner

    yield another
    for home_id in set(made.values()):
        last = await another(home_id)
        for instance in await last.instances():
            await last.stop(instance)
    for runner in made:
        await runner.close()
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


@pytest.fixture
async def yard(new_runner: NewRunner, tmp_path: Path) -> Yard:
    return Yard(await new_runner("home"), tmp_path)


@pytest.fixture
def successor(new_runner: NewRunner, yard: Yard) -> Callable[[], Awaitable[Runner]]:
    """Our own next life: the same home, after the runner before was closed."""

    async def after() -> Runner:
        await yard.runner.close()
        return await new_runner("home")

    return after


@pytest.fixture
def stranger(new_runner: NewRunner) -> Callable[[], Awaitable[Runner]]:
    """Another installation on the same machine."""

    async def beside() -> Runner:
        return await new_runner("other")

    return beside


class TestBuilding(Building):
    pass


class TestStarting(Starting):
    pass


class TestRunning(Running):
    pass


class TestRunningACommand(RunningACommand):
    pass


class TestRealApps(RealApps):
    pass
