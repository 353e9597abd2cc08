"""Compose projects, and a front end with a back end, in containers."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runners.base import Plan, Source
from runners.base.targets import target_of
from runners.choose.several import Several
from runners.docker import DockerRunner
from runners.frameworks import Tree, detect
from tests.conftest import base_images
from tests.runners.apps import HELLO, Yard, a_source, ask

pytestmark = pytest.mark.docker

BASE = base_images()["python"]
FILE = (
    f"FROM {BASE} AS base\nARG WORD=none\nENV WORD=$WORD\nCOPY app.py .\nEXPOSE 9000\nCMD python app.py image $WORD\n"
)
COMPOSE = """\
services:
  front:
    build:
      context: ./ui
      target: base
      args: {WORD: argument}
    ports: ["80:9000"]
    privileged: true
    volumes: ["/:/host"]
  api:
    build: ./srv
    command: python app.py command "two words"
    environment: [COLOUR=blue]
    expose: ["9000"]
  worker:
    build: ./srv
    command: python app.py nothing
"""
LATER = "\nFROM base AS later\nCMD exit 1\n"


@pytest.fixture
async def yard(runner: DockerRunner, tmp_path: Path) -> AsyncIterator[Yard]:
    whole = Several(runner)
    yield Yard(whole, tmp_path)
    for instance in await whole.instances():
        await whole.stop(instance)


def detected(yard: Yard, files: dict[str, str]) -> Source:
    source = a_source(yard.folder, files)
    return dataclasses.replace(source, plan=detect(Tree.read(source.path)))


def boxes(runner: DockerRunner) -> list[str]:
    """Names of what is there of a home."""
    return subprocess.run(
        ["docker", "ps", "-a", "--format", "{{.Names}}", "--filter", f"label=slipway.home={runner._engine.home_id}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


async def test_a_compose_project_runs_as_its_file_says_without_what_reaches_for_the_host(
    yard: Yard, runner: DockerRunner
) -> None:
    asks = HELLO.replace('" ".join(sys.argv[1:])', '" ".join([path, *sys.argv[1:], os.environ.get("COLOUR", "-")])')
    source = detected(
        yard,
        {
            "compose.yaml": COMPOSE,
            "ui/Dockerfile": FILE + LATER,
            "ui/app.py": asks,
            "srv/Dockerfile": FILE,
            "srv/app.py": asks,
        },
    )

    artifact = await yard.runner.build(source, dataclasses.replace(yard.limits, seconds=300), yard.log)
    instance = await yard.start(artifact)

    front, back = target_of("d1", artifact, instance).mounts
    assert (front.path, back.path, back.strip) == ("/", "/api", True)
    assert await ask(instance.parts[0], "/x") == (200, "/x image argument -")
    assert await ask(instance.parts[1], "/x") == (200, "/x command two words blue")
    assert sorted(boxes(runner)) == sorted(f"{runner._engine.prefix}-d1-part{number}" for number in (1, 2))
    assert await yard.runner.instances() == [instance]
    inspected = subprocess.run(["docker", "inspect", instance.parts[0].id], capture_output=True, text=True).stdout
    assert '"Privileged": false' in inspected and "/:/host" not in inspected

    await yard.runner.sleep(instance)
    await yard.runner.wake(instance)
    assert await yard.runner.healthy(instance)

    await yard.runner.stop(instance)
    assert boxes(runner) == []
    await yard.runner.forget(artifact)


async def test_pages_and_a_server_of_one_repository(yard: Yard, runner: DockerRunner) -> None:
    pages = Plan(language="static", kind="static", root="frontend", static_dir=".", mount="/")
    server = Plan(
        language="python", kind="server", root="backend", start="python app.py back", mount="/api", strip=True
    )
    plan = Plan(language="multi", kind="multi", parts=(pages, server))

    artifact = await yard.build({"frontend/index.html": "<p>hello", "backend/app.py": HELLO}, plan)
    instance = await yard.start(artifact)

    front, back = target_of("d1", artifact, instance).mounts
    assert (Path(front.target.path) / "index.html").read_text() == "<p>hello"
    assert await ask(instance, port=back.target.port) == (200, "back")
    await yard.runner.stop(instance)
    assert boxes(runner) == []
