"""What an instance may do, how it is known, and what is never touched."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from runners.base import Gone, Instance, Launch, Limits, StartFailed
from tests.runners.apps import CRASHES, HELLO, PYTHON, SERVER, SILENT, Yard, ask
from tests.runners.docker.conftest import NewRunner

pytestmark = pytest.mark.docker

LOOKS_AROUND = SERVER + (
    "def answer(path):\n"
    "    return 200, json.dumps({\n"
    '        "status": pathlib.Path("/proc/self/status").read_text(),\n'
    '        "socket": os.path.exists("/var/run/docker.sock"),\n'
    '        "user": os.getuid(),\n'
    '        "mounts": pathlib.Path("/proc/self/mounts").read_text(),\n'
    "    }).encode()\n\n"
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
GREEDY = SERVER + 'print("loading", flush=True)\nblock = b"x" * (200 * 1024 * 1024)\n'


async def test_the_limits_are_really_set(yard: Yard, engine: Any) -> None:
    yard.limits = Limits(memory=128 * 2**20, cpus=0.5, pids=64, files=256, seconds=30)

    instance = await yard.run(HELLO)

    host = engine.inspect_container(instance.id)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (128 * 2**20, 128 * 2**20, 64)
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 256, "Soft": 256}]
    assert _cpus(host) == 0.5
    assert host["LogConfig"]["Config"]["max-size"]
    assert host["RestartPolicy"]["Name"] in ("no", "")
    assert host["Init"] is True


async def test_more_processors_than_there_are_means_all_of_them(yard: Yard, engine: Any) -> None:
    yard.limits = Limits(cpus=1000, seconds=30)

    instance = await yard.run(HELLO)

    assert _cpus(engine.inspect_container(instance.id)["HostConfig"]) == engine.info()["NCPU"]


async def test_it_runs_as_nobody_without_capabilities_and_sees_no_engine(yard: Yard) -> None:
    seen = json.loads((await ask(await yard.run(LOOKS_AROUND)))[1])

    status = dict(line.split(":\t", 1) for line in seen["status"].splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert seen["user"] != 0
    assert not seen["socket"]
    assert all(" ro," in line for line in seen["mounts"].splitlines() if line.split()[1] in ("/slipway", "/deps"))


async def test_its_labels_say_whose_it_is(yard: Yard, engine: Any) -> None:
    instance = await yard.run(HELLO, "deployment-1")

    labels = engine.inspect_container(instance.id)["Config"]["Labels"]
    assert labels["slipway.managed"] == "true"
    assert labels["slipway.home"] in engine.inspect_container(instance.id)["Name"]
    assert labels["slipway.deployment"] == "deployment-1"


async def test_neighbours_can_not_talk_to_each_other(yard: Yard) -> None:
    asks = SERVER + (
        "import urllib.request\n"
        "def answer(path):\n"
        "    try:\n"
        '        return 200, urllib.request.urlopen("http://" + path[1:], timeout=1).read()\n'
        "    except OSError as error:\n"
        "        return 200, str(error).encode()\n\n"
        'serve("0.0.0.0", int(os.environ["PORT"]))\n'
    )
    one, two = await yard.run(HELLO, "d1"), await yard.run(asks, "d2")

    status, said = await ask(two, f"/{one.host}:{one.port}")

    assert status == 0 or "timed out" in said


@pytest.mark.parametrize("labels", [{}, {"slipway.managed": "true"}, {"slipway.managed": "true", "slipway.home": "x"}])
async def test_what_is_not_ours_is_never_touched(yard: Yard, engine: Any, labels: dict[str, str]) -> None:
    image = engine.inspect_image("slipway/python:3.11")["Id"]
    foreign = engine.create_container(image, ["sleep", "60"], labels=labels)["Id"]
    engine.start(foreign)
    instance = Instance(foreign, "d1", "docker", "127.0.0.1", 8080)
    try:
        await yard.runner.stop(instance)
        with pytest.raises(Gone):
            await yard.runner.sleep(instance)
        with pytest.raises(Gone):
            await yard.runner.wake(instance)

        assert await yard.runner.logs(instance) == ""
        assert foreign not in [each.id for each in await yard.runner.instances()]
        assert engine.inspect_container(foreign)["State"]["Status"] == "running"
    finally:
        engine.remove_container(foreign, force=True)


async def test_a_start_that_ran_out_of_memory_says_so(yard: Yard) -> None:
    yard.limits = Limits(memory=64 * 2**20)

    with pytest.raises(StartFailed, match="memory"):
        await yard.run(GREEDY)


async def test_a_failed_start_names_the_error_the_file_and_the_line(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, root="api")

    with pytest.raises(StartFailed) as failed:
        await yard.start(await yard.build({"api/app.py": "import json\njson.loads('{')\n"}, plan))

    assert (failed.value.path, failed.value.line) == ("api/app.py", 2)
    assert "JSONDecodeError" in str(failed.value)


async def test_what_an_unfinished_start_of_the_same_deployment_left_is_replaced(yard: Yard, engine: Any) -> None:
    first = await yard.run(HELLO, "d1")

    second = await yard.run(HELLO, "d1")

    assert first.id != second.id
    assert await yard.runner.instances() == [second]


async def test_nothing_is_left_on_disk_or_in_the_engine(yard: Yard, engine: Any) -> None:
    instance = await yard.run(HELLO)
    with pytest.raises(StartFailed):
        await yard.run(CRASHES, "d2")
    await yard.runner.stop(instance)

    assert list((yard.folder / "home" / "instances").iterdir()) == []
    assert engine.containers(all=True, filters={"label": "slipway.deployment=d2"}) == []


async def test_an_engine_that_lost_our_network_gets_it_anew(yard: Yard, engine: Any) -> None:
    first = await yard.run(HELLO, "d1")
    (network,) = engine.inspect_container(first.id)["NetworkSettings"]["Networks"]
    await yard.runner.stop(first)
    engine.remove_network(network)

    assert await ask(await yard.run(HELLO, "d2")) == (200, "hello")


async def test_a_crash_leaves_builds_that_the_next_life_removes(yard: Yard, new_runner: NewRunner, engine: Any) -> None:
    instance = await yard.run(HELLO)
    ours = engine.inspect_container(instance.id)["Config"]["Labels"]
    dead = f"build-{_dead_process()}-abcdef-01234567"
    left = engine.create_container(
        "slipway/python:3.11",
        ["sleep", "60"],
        labels={**ours, "slipway.kind": "build", "slipway.deployment": dead},
        name=f"slipway-{ours['slipway.home']}-{dead}",
    )["Id"]
    folder = yard.folder / "home" / "instances" / dead
    folder.mkdir()

    await new_runner(ours["slipway.home"]).ready()

    listed = engine.containers(all=True, filters={"label": f"slipway.home={ours['slipway.home']}"})
    assert [each["Id"] for each in listed] == [instance.id]
    assert left not in [each["Id"] for each in listed]
    assert not folder.exists()


async def test_a_build_that_is_cancelled_leaves_no_container(yard: Yard, engine: Any) -> None:
    building = asyncio.create_task(yard.build({"app.py": SILENT}, dataclasses.replace(PYTHON, build="sleep 60")))
    while not yard.log.text:
        await asyncio.sleep(0.01)

    building.cancel()
    await asyncio.gather(building, return_exceptions=True)

    assert _containers(yard, engine) == []
    assert list((yard.folder / "home" / "artifacts").rglob("*.part")) == []


async def test_a_missing_artifact_is_told_apart_from_a_broken_one(yard: Yard) -> None:
    artifact = await yard.build({"app.py": HELLO})
    gone = dataclasses.replace(artifact, path=str(yard.folder / "no-such-folder"))

    with pytest.raises(Gone):
        await yard.runner.start(Launch("d1", gone), yard.log)


def _cpus(host: dict[str, Any]) -> float:
    return float(host["CpuQuota"] / host["CpuPeriod"])


def _containers(yard: Yard, engine: Any) -> list[str]:
    home = str(yard.folder / "home")
    return [each["Id"] for each in engine.containers(all=True) if any(home in str(m) for m in each["Mounts"])]


def _dead_process() -> int:
    return next(pid for pid in range(2**22 - 1, 0, -1) if not Path(f"/proc/{pid}").exists())
