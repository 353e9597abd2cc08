"""Databases of an instance's own: there before it, reached by nobody else, gone with it."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from runners.base import Backing, Instance, Launch, StartFailed
from tests.runners.apps import PYTHON, SERVER, Lines, Yard, ask
from tests.runners.docker import databases
from tests.runners.docker.conftest import NewRunner

pytestmark = [pytest.mark.docker, pytest.mark.slow]

REDIS = Backing("redis", "cache", {"REDIS_URL": "{url}", "REDIS_HOST": "{host}"})
# Says what it sees, and speaks Redis with whom it is asked to: /HOST/WORD/...
TALKS = SERVER + (
    "import socket\n"
    "def answer(path):\n"
    "    host, *words = path.strip('/').split('/')\n"
    "    if not host:\n"
    "        return 200, json.dumps(dict(os.environ)).encode()\n"
    "    try:\n"
    "        with socket.create_connection((host, 6379), timeout=1) as talk:\n"
    "            talk.sendall((' '.join(words) + '\\r\\n').encode())\n"
    "            return 200, talk.recv(4096)\n"
    "    except OSError as error:\n"
    "        return 200, type(error).__name__.encode()\n\n"
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
PLAN = dataclasses.replace(PYTHON, backing=(REDIS,))


@pytest.fixture
def yard(new_runner: NewRunner, tmp_path: Path) -> Yard:
    return Yard(new_runner(images=with_redis()), tmp_path)


def with_redis() -> dict[str, str]:
    python = os.environ["SLIPWAY_IMAGE_PYTHON"]
    return {"python": python, "redis": databases.image("redis")}


async def talking(yard: Yard, deployment: str = "d1", env: dict[str, str] | None = None) -> Instance:
    return await yard.start(await yard.build({"app.py": TALKS}, PLAN), deployment, env)


def made(engine: Any, yard: Yard) -> list[str]:
    """The kinds of all that the engine has of ours."""
    ours = {"label": f"slipway.home={home(engine, yard)}"}
    containers = [each["Labels"]["slipway.kind"] for each in engine.containers(all=True, filters=ours)]
    networks = [each["Labels"].get("slipway.kind") for each in engine.networks(filters=ours)]
    return sorted([*containers, *(f"network of {each}" for each in networks if each)])


def home(engine: Any, yard: Yard) -> str:
    return str(yard.runner._engine.home_id)  # type: ignore[attr-defined]


async def test_it_is_there_before_the_program_and_known_by_its_name_and_variables(yard: Yard) -> None:
    instance = await talking(yard)

    env = json.loads((await ask(instance))[1])
    assert (env["REDIS_URL"], env["REDIS_HOST"]) == ("redis://cache:6379/0", "cache")
    assert (await ask(instance, "/cache/SET/word/hello"))[1] == "+OK\r\n"
    assert "hello" in (await ask(instance, "/cache/GET/word"))[1]
    assert "Redis is ready" in yard.log.text


async def test_it_is_no_instance_and_is_gone_with_the_one_it_is_for(yard: Yard, engine: Any) -> None:
    instance = await talking(yard)

    assert await yard.runner.instances() == [instance]
    assert made(engine, yard) == ["backing", "instance", "network of backing"]
    await yard.runner.stop(instance)

    assert made(engine, yard) == []


async def test_another_start_of_the_same_has_another_which_the_first_ones_end_leaves_alone(
    yard: Yard, engine: Any
) -> None:
    first = await talking(yard)
    await ask(first, "/cache/SET/word/hello")

    second = await talking(yard)
    await yard.runner.stop(first)

    assert made(engine, yard) == ["backing", "instance", "network of backing"]
    assert (await ask(second, "/cache/GET/word"))[1] == "$-1\r\n"


async def test_each_has_its_own_and_none_reaches_anothers(yard: Yard, engine: Any) -> None:
    one, two = await talking(yard, "d1"), await talking(yard, "d2")
    await ask(one, "/cache/SET/word/hello")

    assert (await ask(two, "/cache/GET/word"))[1] == "$-1\r\n"
    for each in engine.containers(filters={"label": "slipway.kind=backing"}):
        if each["Labels"]["slipway.home"] == home(engine, yard) and each["Labels"]["slipway.deployment"] == "d1":
            (there,) = (network["IPAddress"] for network in each["NetworkSettings"]["Networks"].values())
            assert (await ask(one, f"/{there}/PING"))[1] == "+PONG\r\n"
            assert "PONG" not in (await ask(two, f"/{there}/PING"))[1]


async def test_work_that_a_program_has_its_database_do_is_counted_as_its_own(yard: Yard, engine: Any) -> None:
    instance = await talking(yard)
    before = await yard.runner.usage(instance)
    (each,) = engine.containers(filters={"label": [f"slipway.home={home(engine, yard)}", "slipway.kind=backing"]})

    spin = engine.exec_create(each["Id"], ["/bin/sh", "-c", "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"])
    engine.exec_start(spin["Id"])

    after = await yard.runner.usage(instance)
    assert before is not None
    assert after is not None
    assert after.cpu_seconds - before.cpu_seconds > 0.2
    assert after.life == before.life


async def test_it_may_use_little_and_reaches_nothing(yard: Yard, engine: Any) -> None:
    await talking(yard)

    (each,) = engine.containers(filters={"label": [f"slipway.home={home(engine, yard)}", "slipway.kind=backing"]})
    host = engine.inspect_container(each["Id"])["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["PortBindings"]) == (256 * 2**20, 128, None)
    assert "no-new-privileges" in host["SecurityOpt"]
    (name,) = each["NetworkSettings"]["Networks"]
    assert engine.inspect_network(name)["Internal"]


async def test_it_sleeps_and_wakes_with_the_instance(yard: Yard, engine: Any) -> None:
    instance = await talking(yard)
    await ask(instance, "/cache/SET/word/hello")

    await yard.runner.sleep(instance)
    asleep = {each["State"] for each in engine.containers(filters={"label": f"slipway.home={home(engine, yard)}"})}
    await yard.runner.wake(instance)

    assert asleep == {"paused"}
    assert "hello" in (await ask(instance, "/cache/GET/word"))[1]


async def test_what_the_launch_names_is_not_made_and_not_migrated(yard: Yard, engine: Any) -> None:
    plan = dataclasses.replace(PLAN, prepare="echo migrating")

    artifact = await yard.build({"app.py": TALKS}, plan)
    instance = await yard.start(artifact, env={"REDIS_URL": "redis://elsewhere"})

    assert json.loads((await ask(instance))[1])["REDIS_URL"] == "redis://elsewhere"
    assert made(engine, yard) == ["instance"]
    assert "migrating" not in yard.log.text


async def test_migrations_run_once_beside_the_database_before_the_start(yard: Yard) -> None:
    word = "SET migrated yes"
    code = f"import socket; s = socket.create_connection(('cache', 6379)); s.sendall(b'{word}\\r\\n'); print(s.recv(9))"
    plan = dataclasses.replace(PLAN, prepare=f'python -c "{code}"')

    instance = await yard.start(await yard.build({"app.py": TALKS}, plan))

    assert "yes" in (await ask(instance, "/cache/GET/migrated"))[1]
    assert yard.log.text.count("$ python -c") == 1


async def test_a_migration_that_fails_fails_the_start_and_tells_where(yard: Yard, engine: Any) -> None:
    plan = dataclasses.replace(PLAN, prepare="python migrate.py")
    artifact = await yard.build({"app.py": TALKS, "migrate.py": "rows = None\nrows.add(1)\n"}, plan)

    with pytest.raises(StartFailed) as failed:
        await yard.start(artifact)

    assert (failed.value.step, failed.value.path, failed.value.line) == ("prepare", "migrate.py", 2)
    assert "AttributeError" in str(failed.value)
    assert made(engine, yard) == []


async def test_a_program_that_fails_takes_its_database_along(yard: Yard, engine: Any) -> None:
    artifact = await yard.build({"app.py": "raise SystemExit(3)\n"}, PLAN)

    with pytest.raises(StartFailed):
        await yard.start(artifact)

    assert made(engine, yard) == []


async def test_a_database_that_does_not_start_is_told(new_runner: NewRunner, tmp_path: Path, engine: Any) -> None:
    python = os.environ["SLIPWAY_IMAGE_PYTHON"]
    yard = Yard(new_runner(images={"python": python, "redis": python}), tmp_path)

    with pytest.raises(StartFailed) as failed:
        await talking(yard)

    assert failed.value.step == "prepare"
    assert "Redis" in str(failed.value)
    assert made(engine, yard) == []


async def test_an_image_that_can_not_be_had_is_told_with_what_to_set(new_runner: NewRunner, tmp_path: Path) -> None:
    images = {"python": os.environ["SLIPWAY_IMAGE_PYTHON"], "redis": "127.0.0.1:9/no/redis:1"}

    with pytest.raises(StartFailed) as failed:
        await talking(Yard(new_runner(images=images), tmp_path))

    assert "SLIPWAY_IMAGE_REDIS" in failed.value.hint


async def test_what_a_crash_left_without_an_instance_is_swept_by_the_next_life(
    yard: Yard, engine: Any, new_runner: NewRunner
) -> None:
    instance = await talking(yard, "d1")
    artifact = await yard.build({"app.py": TALKS}, PLAN)
    await yard.runner._databases.start(Launch("d2", artifact), Lines())  # type: ignore[attr-defined]
    ident = home(engine, yard)

    await new_runner(ident, images=with_redis()).ready()

    assert made(engine, yard) == ["backing", "instance", "network of backing"]
    assert (await ask(instance, "/cache/PING"))[1] == "+PONG\r\n"


async def test_a_dockerfiles_program_has_one_too(yard: Yard, engine: Any) -> None:
    file = f"FROM {os.environ['SLIPWAY_IMAGE_PYTHON']}\nCOPY app.py /\nCMD python /app.py\n"
    plan = dataclasses.replace(PLAN, language="docker", entry="Dockerfile", start=None, prepare="echo migrating")

    instance = await yard.start(await yard.build({"Dockerfile": file, "app.py": TALKS}, plan))

    assert (await ask(instance, "/cache/PING"))[1] == "+PONG\r\n"
    assert "migrating" in yard.log.text
    await yard.runner.stop(instance)
    assert made(engine, yard) == []
