"""Several services of one project run as one, and nothing of them is left when one can't."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runners.base import Artifact, Backing, BuildFailed, Gone, Instance, Launch, Plan, StartFailed
from runners.base.folders import Folders, is_there
from runners.base.targets import target_of
from runners.choose.several import Several
from runners.health import probe
from runners.process import ProcessRunner
from tests.runners.apps import CRASHES, HELLO, PYTHON, SILENT, Yard, a_source, ask

FRONT = dataclasses.replace(PYTHON, root="web", start="python app.py front", mount="/")
BACK = dataclasses.replace(PYTHON, root="api", start="python app.py back", mount="/api", strip=True)
PAGES = Plan(language="static", kind="static", root="site", static_dir=".", mount="/")
HIDDEN = dataclasses.replace(PYTHON, root="other")
FILES = {"web/app.py": HELLO, "api/app.py": HELLO, "site/index.html": "<p>hello", "other/app.py": HELLO}


def several(*parts: Plan, **words: object) -> Plan:
    return dataclasses.replace(Plan(language="multi", kind="multi", parts=parts), **words)  # type: ignore[arg-type]


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    runner = Several(ProcessRunner(Folders(tmp_path / "home"), f"home-{tmp_path.name}"))
    await runner.ready()
    yield Yard(runner, tmp_path)
    for instance in await runner.instances():
        await runner.stop(instance)
    await runner.close()


def folders(yard: Yard) -> list[str]:
    """What is on disk of instances."""
    return sorted(path.name for path in (yard.folder / "home" / "instances").glob("*"))


def artifacts(yard: Yard) -> list[Path]:
    return list((yard.folder / "home" / "artifacts").glob("*/*"))


def test_words_of_several_survive_the_trip_through_json() -> None:
    part = Instance("1", "d1-part1", "process", "127.0.0.1", 8000)
    made = Artifact("sha256:1", "directory", BACK.as_json(), "scope", path="/somewhere", deps="/deps")
    whole = Artifact("sha256:2", "several", several(BACK).as_json(), "scope", parts=(made,))
    instance = Instance("several-1", "d1", "process", "127.0.0.1", 8000, (part,))
    target = target_of("d1", whole, instance)

    for one in (whole, instance, target):
        assert json.dumps(type(one).from_json(json.loads(json.dumps(one.as_json()))).as_json()) == json.dumps(
            one.as_json()
        )
    assert Instance.from_json(json.loads(json.dumps(instance.as_json()))) == instance
    assert list(Artifact.from_json(whole.as_json()).folders()) == ["/somewhere", "/deps"]


def test_what_was_written_before_there_were_several_is_read() -> None:
    raw = {"id": "1", "deployment": "d1", "runner": "process", "host": "127.0.0.1", "port": 1}

    assert Instance.from_json(raw).parts == ()


async def test_parts_that_want_more_databases_than_a_preview_is_given_are_not_started(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yard.runner, "isolates", True)  # as where there are databases
    wants = tuple(Backing("mysql", f"db{n}", {f"URL{n}": "{url}"}) for n in range(4))
    parts = [dataclasses.replace(one, backing=wants) for one in (FRONT, BACK)]
    artifact = await yard.build(FILES, several(*parts))

    with pytest.raises(StartFailed, match="8 databases"):
        await yard.start(artifact)

    await yard.runner.stop(await yard.start(artifact, env={"URL0": "", "URL1": ""}))


async def test_each_part_answers_where_the_whole_says(yard: Yard) -> None:
    artifact = await yard.build(FILES, several(PAGES, BACK, HIDDEN))

    instance = await yard.start(artifact)

    pages, api = target_of("d1", artifact, instance, robots=True).mounts
    assert (pages.path, pages.target.kind, pages.target.path) == ("/", "static", artifact.parts[0].path)
    assert (api.path, api.strip, api.target.robots) == ("/api", True, True)
    assert await ask(instance, port=api.target.port) == (200, "back")
    assert [each.deployment for each in instance.parts] == ["d1-part1"]
    assert len(artifact.parts) == 2  # what is not shown is not built
    assert "api | " in yard.log.text


async def test_the_same_tree_has_the_same_digest_and_another_plan_has_another(yard: Yard) -> None:
    one, two = await yard.build(FILES, several(FRONT, BACK)), await yard.build(FILES, several(FRONT, BACK))
    other = await yard.build(FILES, several(FRONT, dataclasses.replace(BACK, strip=False)))

    assert one == two
    assert one.digest != other.digest


async def test_forgetting_one_leaves_what_another_needs(yard: Yard) -> None:
    made = dataclasses.replace(FRONT, build="echo made > made.txt")
    one = await yard.build(FILES, several(made, BACK))
    other = await yard.build(FILES, several(made, dataclasses.replace(BACK, strip=False)))

    await yard.runner.forget(one)

    assert not is_there(one)
    assert is_there(other)


async def test_they_are_one_for_those_who_look_and_outlive_us(yard: Yard) -> None:
    instance = await yard.start(await yard.build(FILES, several(FRONT, BACK)))
    alone = await yard.start(await yard.build({"app.py": HELLO}), "d2")
    await yard.runner.close()

    after = Several(ProcessRunner(Folders(yard.folder / "home"), f"home-{yard.folder.name}"))
    found = await after.instances()

    assert sorted(found, key=lambda one: one.deployment) == [instance, alone]
    assert await after.healthy(instance)
    await after.stop(instance)
    assert await after.instances() == [alone]
    assert folders(yard) == ["d2"]
    await after.close()


async def test_one_that_lost_a_part_is_another_one_and_can_be_stopped(yard: Yard) -> None:
    instance = await yard.start(await yard.build(FILES, several(FRONT, BACK)))

    await yard.runner.stop(instance.parts[0])

    (left,) = await yard.runner.instances()
    assert (left.deployment, left.parts) == ("d1", instance.parts[1:])
    assert left.id != instance.id
    assert not await yard.runner.healthy(instance)
    assert await yard.runner.usage(instance) is None
    await yard.runner.stop(left)
    assert await yard.runner.instances() == []


@pytest.mark.parametrize("do", ["sleep", "wake"])
async def test_what_is_left_of_one_that_lost_a_part_does_not_go_on(yard: Yard, do: str) -> None:
    instance = await yard.start(await yard.build(FILES, several(FRONT, BACK)))
    await yard.runner.stop(instance.parts[1])

    with pytest.raises(Gone):
        await getattr(yard.runner, do)(instance)

    assert folders(yard) == []


async def test_they_sleep_and_wake_together(yard: Yard) -> None:
    instance = await yard.start(await yard.build(FILES, several(FRONT, BACK)))

    await yard.runner.sleep(instance)
    asleep = [await probe(one.host, one.port, timeout=0.3) for one in instance.parts]
    await yard.runner.wake(instance)

    assert asleep == [None, None]
    assert [await ask(one) for one in instance.parts] == [(200, "front"), (200, "back")]


async def test_their_logs_and_what_they_use_come_together(yard: Yard) -> None:
    instance = await yard.start(await yard.build(FILES, several(FRONT, BACK)))
    for number, part in enumerate(instance.parts):
        await ask(part, f"/page-{number}")

    log, used = await yard.runner.logs(instance), await yard.runner.usage(instance)

    assert "page-0" in log and "page-1" in log
    each = await yard.runner.usage(instance.parts[0])
    if used is None or each is None:
        pytest.skip("this system does not tell what programs use")
    assert used.disk > each.disk > 0
    assert used.memory > each.memory


@pytest.mark.parametrize("broken", ["web", "api"])
async def test_when_one_does_not_start_none_runs(yard: Yard, broken: str) -> None:
    artifact = await yard.build({**FILES, f"{broken}/app.py": CRASHES}, several(FRONT, BACK))

    with pytest.raises(StartFailed, match=f"{broken}: "):
        await yard.start(artifact)

    assert await yard.runner.instances() == []
    assert folders(yard) == []


async def test_a_start_that_is_cancelled_leaves_nothing(yard: Yard) -> None:
    artifact = await yard.build({**FILES, "web/app.py": SILENT}, several(FRONT, BACK))
    starting = asyncio.create_task(yard.start(artifact))
    while not [one for one in await yard.runner.instances() if any(part.port for part in one.parts)]:
        await asyncio.sleep(0.02)  # one of them is up

    starting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await yard.runner.instances() == []
    assert folders(yard) == []


@pytest.mark.parametrize("ending", ["fails", "is cancelled"])
async def test_a_build_that_ends_half_way_leaves_nothing(yard: Yard, ending: str) -> None:
    made = dataclasses.replace(FRONT, build="echo made > made.txt")
    last = dataclasses.replace(BACK, build="until [ -e %s ]; do sleep 0.05; done; exit 3" % (yard.folder / "go"))
    building = asyncio.create_task(yard.build(FILES, several(made, last)))
    while not [path for path in artifacts(yard) if path.suffix != ".part"]:
        await asyncio.sleep(0.02)  # the first is made

    if ending == "fails":
        (yard.folder / "go").touch()
    else:
        building.cancel()

    with pytest.raises(BuildFailed if ending == "fails" else asyncio.CancelledError):
        await building
    assert artifacts(yard) == []


async def test_all_of_them_have_the_time_of_one_build(yard: Yard) -> None:
    slow = [dataclasses.replace(FRONT, build="sleep 0.8; echo built", env={"N": str(number)}) for number in range(4)]
    source = a_source(yard.folder, FILES, several(*slow))

    with pytest.raises(BuildFailed, match="longer than 1 s"):
        await yard.runner.build(source, dataclasses.replace(yard.limits, seconds=1), yard.log)

    assert artifacts(yard) == []


async def test_a_command_runs_in_the_part_that_asks_for_it(yard: Yard) -> None:
    plan = several(FRONT, dataclasses.replace(BACK, release="pwd"), release="pwd")

    await yard.command(await yard.build(FILES, plan), "pwd")

    assert any(line.endswith("/app/api") for line in yard.log.text.splitlines())


async def test_together_they_may_use_what_one_may(yard: Yard) -> None:
    seen: list[Launch] = []

    class Noting(ProcessRunner):
        async def start(self, launch: Launch, log: object) -> Instance:
            seen.append(launch)
            return Instance(launch.deployment, launch.deployment, "process", "127.0.0.1", 1)

    runner = Several(Noting(Folders(yard.folder / "home"), "home"))
    artifact = await yard.build(FILES, several(FRONT, BACK, health="/api/ready"))

    await runner.start(Launch("d1", artifact, {"A": "1"}, yard.limits), yard.log)

    assert sum(one.limits.memory for one in seen) == yard.limits.memory
    assert sum(one.limits.cpus for one in seen) == yard.limits.cpus
    assert [one.artifact.the_plan().health for one in seen] == ["/", "/ready"]
    assert [one.env for one in seen] == [{"A": "1"}] * 2


async def test_without_a_server_there_is_nothing_to_start(yard: Yard) -> None:
    artifact = await yard.build(FILES, several(PAGES))

    assert not artifact.the_plan().runs
    with pytest.raises(StartFailed, match="nothing to start"):
        await yard.start(artifact)


async def test_all_other_plans_are_the_backends_own(yard: Yard) -> None:
    source = a_source(yard.folder, {"app.py": HELLO})

    artifact = await yard.runner.build(source, yard.limits, yard.log)
    instance = await yard.start(artifact)

    assert (artifact.kind, artifact.parts, instance.parts) == ("directory", (), ())
    assert folders(yard) == ["d1"]
