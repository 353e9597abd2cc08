"""Spares: made after an instance is live, used once, gone with the last of their shape."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from runners.base import Instance
from runners.docker import DockerRunner
from tests.runners.apps import HELLO, LOCAL_ONLY, PYTHON, WRITER, Yard, ask
from tests.runners.docker.conftest import NewRunner

pytestmark = pytest.mark.docker


@pytest.fixture
def runner(new_runner: NewRunner) -> DockerRunner:
    return new_runner(spares=2)


async def started(yard: Yard, program: str, deployment: str) -> Instance:
    """Live, and its spare ready."""
    instance = await yard.run(program, deployment)
    assert isinstance(yard.runner, DockerRunner)
    await yard.runner.settle()
    return instance


def waiting(engine: Any, instance: Instance) -> list[str]:
    """Containers of the same home that are no instance yet, by id."""
    home = engine.inspect_container(instance.id)["Config"]["Labels"]["slipway.home"]
    listed = engine.containers(all=True, filters={"label": [f"slipway.home={home}", "slipway.kind=spare"]})
    return [each["Id"] for each in listed if "-spare-" in each["Names"][0]]


async def test_the_next_commit_runs_in_the_container_that_waited(yard: Yard, engine: Any) -> None:
    first = await started(yard, HELLO, "d1")
    (spare,) = waiting(engine, first)

    second = await started(yard, HELLO + "# changed", "d2")

    assert second.id == spare
    assert await ask(second) == (200, "hello")
    assert waiting(engine, second) != [spare]
    assert {each.deployment: each for each in await yard.runner.instances()} == {"d1": first, "d2": second}


async def test_a_spare_that_became_an_instance_is_named_and_removed_like_one(yard: Yard, engine: Any) -> None:
    await started(yard, HELLO, "d1")
    second = await started(yard, WRITER, "d2")
    assert engine.inspect_container(second.id)["Name"].endswith("-d2")
    assert (yard.folder / "home" / "instances" / "d2").is_dir()
    assert await ask(second) == (200, "written")

    await yard.runner.stop(second)

    assert [each.deployment for each in await yard.runner.instances()] == ["d1"]
    assert not (yard.folder / "home" / "instances" / "d2").exists()


async def test_each_sees_its_own_environment_and_files_only(yard: Yard) -> None:
    shows = HELLO.replace('" ".join(sys.argv[1:])', '(os.environ["WORD"] + " ".join(sorted(os.listdir("."))))')
    artifacts = [await yard.build({"app.py": shows, f"only-{n}.txt": ""}) for n in (1, 2)]
    await yard.start(artifacts[0], "d1", {"WORD": "it's 1 "})
    assert isinstance(yard.runner, DockerRunner)
    await yard.runner.settle()

    second = await yard.start(artifacts[1], "d2", {"WORD": '$(id) "2" '})

    assert await ask(second) == (200, '$(id) "2" app.py only-2.txt')


async def test_a_spare_reaches_a_program_that_listens_on_loopback_only(yard: Yard, engine: Any) -> None:
    first = await started(yard, HELLO, "d1")
    (spare,) = waiting(engine, first)

    second = await started(yard, LOCAL_ONLY, "d2")

    assert second.id == spare
    assert await ask(second) == (200, "hello")


async def test_other_limits_need_another_spare(yard: Yard, engine: Any) -> None:
    first = await started(yard, HELLO, "d1")
    (spare,) = waiting(engine, first)

    yard.limits = dataclasses.replace(yard.limits, memory=256 * 2**20)
    second = await started(yard, HELLO, "d2")

    assert second.id != spare
    assert engine.inspect_container(second.id)["HostConfig"]["Memory"] == 256 * 2**20


async def test_there_are_never_more_than_allowed(yard: Yard, engine: Any) -> None:
    for number in range(3):
        yard.limits = dataclasses.replace(yard.limits, memory=(200 + number) * 2**20)
        last = await started(yard, HELLO, f"d{number}")

    assert len(waiting(engine, last)) == 2


async def test_a_spare_goes_with_the_last_instance_of_its_shape(yard: Yard, engine: Any) -> None:
    first = await started(yard, HELLO, "d1")
    second = await started(yard, HELLO + "#", "d2")
    await yard.runner.stop(first)
    assert len(waiting(engine, second)) == 1

    home = engine.inspect_container(second.id)["Config"]["Labels"]["slipway.home"]
    await yard.runner.stop(second)
    assert isinstance(yard.runner, DockerRunner)
    await yard.runner.settle()

    assert engine.containers(all=True, filters={"label": f"slipway.home={home}"}) == []
    assert list((yard.folder / "home" / "instances").iterdir()) == []


async def test_a_spare_that_died_is_replaced_unnoticed(yard: Yard, engine: Any) -> None:
    first = await started(yard, HELLO, "d1")
    (spare,) = waiting(engine, first)
    engine.kill(spare)

    second = await started(yard, HELLO + "#", "d2")

    assert second.id != spare
    assert await ask(second) == (200, "hello")


async def test_closing_removes_the_spares_and_leaves_the_instances(
    yard: Yard, engine: Any, new_runner: NewRunner
) -> None:
    first = await started(yard, HELLO, "d1")

    await yard.runner.close()

    assert waiting(engine, first) == []
    assert await ask(first) == (200, "hello")


async def test_spares_of_a_life_that_was_killed_are_removed_by_the_next(
    yard: Yard, engine: Any, new_runner: NewRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = "test-killed"
    killed = new_runner(home, spares=1)
    killed._engine._maker = "4194303-abcdef"  # as if made by a process that is no more
    first = await Yard(killed, yard.folder).run(HELLO)
    await killed.settle()
    assert len(waiting(engine, first)) == 1

    await new_runner(home).ready()

    assert waiting(engine, first) == []
    assert await ask(first) == (200, "hello")


async def test_a_command_of_a_life_that_was_killed_is_ended_by_the_next(
    yard: Yard, engine: Any, new_runner: NewRunner
) -> None:
    home = "test-killed-command"
    killed = new_runner(home)
    killed._engine._maker = "4194303-abcdef"  # as if made by a process that is no more
    old = Yard(killed, yard.folder)
    running = asyncio.create_task(old.command(await old.build({"app.py": HELLO}), "echo begun; sleep 600"))
    while "\nbegun" not in old.log.text:
        await asyncio.sleep(0.02)
    assert len(engine.containers(filters={"label": f"slipway.home={home}"})) == 1

    await new_runner(home).ready()

    assert engine.containers(all=True, filters={"label": f"slipway.home={home}"}) == []
    assert list((yard.folder / "home" / "instances").glob("release-*")) == []
    await asyncio.gather(running, return_exceptions=True)


async def test_a_start_that_is_cancelled_while_a_spare_is_made_ready_leaves_nothing(yard: Yard, engine: Any) -> None:
    first = await started(yard, HELLO, "d1")
    artifact = await yard.build({"app.py": HELLO + "#"})

    starting = asyncio.create_task(yard.start(artifact, "d2"))
    await asyncio.wait([starting], timeout=0.01)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    assert await yard.runner.instances() == [first]
    assert not Path(yard.folder / "home" / "instances" / "d2").exists()


async def test_plans_that_start_nothing_make_no_spare(yard: Yard, engine: Any, new_runner: NewRunner) -> None:
    none = Yard(new_runner(spares=0), yard.folder)

    instance = await none.start(await none.build({"app.py": HELLO}, PYTHON))
    assert isinstance(none.runner, DockerRunner)
    await none.runner.settle()

    assert waiting(engine, instance) == []
