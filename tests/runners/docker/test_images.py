"""Base images, and images that a project's own Dockerfile makes."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from runners.base import BuildFailed, Limits, Plan, StartFailed, Unavailable
from runners.base.folders import artifact_key
from runners.docker.bases import name_of, setting_of
from runners.docker.dockerfile import _told
from tests.conftest import base_images
from tests.runners.apps import HELLO, PYTHON, SERVER, Lines, Yard, a_source, ask
from tests.runners.docker.conftest import NewRunner

DOCKERFILE = Plan(language="docker", kind="server", entry="Dockerfile")
BASE = os.environ.get("SLIPWAY_IMAGE_PYTHON", "slipway/python:3.11")
FILE = f"FROM {BASE}\nWORKDIR /srv\nCOPY . .\nRUN echo building now\nEXPOSE 9000\nCMD python app.py image\n"


@pytest.mark.docker
async def test_a_dockerfile_is_built_and_runs_its_own_command(yard: Yard) -> None:
    artifact = await yard.build({"Dockerfile": FILE, "app.py": HELLO}, DOCKERFILE)

    instance = await yard.start(artifact)

    assert artifact.kind == "image"
    assert "building now" in yard.log.text
    assert await ask(instance) == (200, "image")
    assert instance.port == 9000
    assert await yard.runner.instances() == [instance]
    await yard.runner.stop(instance)
    assert await yard.runner.instances() == []


@pytest.mark.docker
async def test_the_same_dockerfile_and_tree_are_built_once(yard: Yard) -> None:
    first = await yard.build({"Dockerfile": FILE, "app.py": HELLO}, DOCKERFILE)
    quiet = Lines()

    assert await yard.build({"Dockerfile": FILE, "app.py": HELLO}, DOCKERFILE, quiet) == first
    assert quiet.text == ""


@pytest.mark.docker
async def test_a_stage_that_carries_our_labels_is_never_taken_for_what_another_project_built(
    yard: Yard, engine: Any
) -> None:
    victim = a_source(yard.folder, {"Dockerfile": FILE, "app.py": HELLO}, DOCKERFILE)
    home = yard.runner._engine.home_id  # type: ignore[attr-defined]
    forged = f"slipway.managed=true slipway.home={home} slipway.key={artifact_key(victim, None)}"
    stages = f"FROM {BASE} AS forged\nLABEL {forged}\nRUN echo bad > /bad\nFROM {BASE}\nCOPY --from=forged /bad /\n"
    await yard.build({"Dockerfile": stages}, DOCKERFILE)

    artifact = await yard.runner.build(victim, Limits(seconds=300), yard.log)

    assert "building now" in yard.log.text
    assert engine.inspect_image(artifact.image)["Config"]["Cmd"][-1] == "python app.py image"


@pytest.mark.docker
async def test_what_a_fork_built_of_the_same_tree_is_not_the_projects_own(yard: Yard) -> None:
    source = a_source(yard.folder, {"Dockerfile": FILE, "app.py": HELLO}, DOCKERFILE)
    own = await yard.runner.build(source, Limits(seconds=300), yard.log)
    forks = await yard.runner.build(dataclasses.replace(source, scope="a-fork"), Limits(seconds=300), yard.log)

    await yard.runner.forget(forks)

    assert own.digest != forks.digest
    assert await ask(await yard.start(own)) == (200, "image")


def test_no_proxy_of_a_project_is_between_the_engine_and_what_it_keeps_for_others() -> None:
    told = _told("--build-arg=WORD=a --build-arg=HTTP_PROXY=http://eve --build-arg=https_proxy=http://eve --target=web")

    assert told == {"buildargs": '{"WORD": "a"}', "target": "web"}


@pytest.mark.docker
async def test_an_image_gets_the_environment_and_the_port_it_is_asked_to_use(yard: Yard) -> None:
    shows = SERVER + (
        'def answer(path):\n    return 200, os.environ["WORD"].encode()\n\nserve("0.0.0.0", int(os.environ["PORT"]))\n'
    )
    file = f"FROM {BASE}\nCOPY app.py /\nCMD python /app.py\n"
    artifact = await yard.build({"Dockerfile": file, "app.py": shows}, DOCKERFILE)

    instance = await yard.start(artifact, env={"WORD": "given"})

    assert await ask(instance) == (200, "given")


@pytest.mark.docker
async def test_dockerignore_and_another_name_are_heeded(yard: Yard) -> None:
    file = f"FROM {BASE}\nCOPY . /srv\nRUN ls /srv\nCMD true\n"
    plan = dataclasses.replace(DOCKERFILE, entry="Containerfile")

    await yard.build({"Containerfile": file, "secret.txt": "", "shown.txt": "", ".dockerignore": "secret*"}, plan)

    assert "shown.txt" in yard.log.text
    assert "secret.txt" not in yard.log.text


@pytest.mark.docker
async def test_a_dockerfile_that_fails_says_so_with_its_log(yard: Yard) -> None:
    with pytest.raises(BuildFailed) as failed:
        await yard.build({"Dockerfile": f"FROM {BASE}\nRUN echo compiling; exit 3\n"}, DOCKERFILE)

    assert (failed.value.step, failed.value.path) == ("build", "Dockerfile")
    assert "compiling" in yard.log.text
    assert "3" in str(failed.value)


@pytest.mark.docker
async def test_a_dockerfile_that_can_not_be_read_says_so(yard: Yard) -> None:
    with pytest.raises(BuildFailed) as failed:
        await yard.build({"Dockerfile": "NONSENSE\n"}, DOCKERFILE)

    assert "NONSENSE" in str(failed.value)


@pytest.mark.docker
async def test_a_dockerfile_build_that_takes_too_long_is_ended_in_the_engine_too(yard: Yard, engine: Any) -> None:
    source = a_source(yard.folder, {"Dockerfile": f"FROM {BASE}\nRUN sleep 61.5\n"}, DOCKERFILE)

    with pytest.raises(BuildFailed, match="2 s"):
        await yard.runner.build(source, Limits(seconds=2), yard.log)

    while any("sleep 61.5" in each["Command"] for each in engine.containers()):
        await asyncio.sleep(0.05)  # the builder clears up in its own time


@pytest.mark.docker
async def test_an_image_that_has_nothing_to_run_fails_to_start(yard: Yard) -> None:
    artifact = await yard.build({"Dockerfile": f"FROM {BASE}\nCMD no-such-program\n"}, DOCKERFILE)

    with pytest.raises(StartFailed):
        await yard.start(artifact)

    assert await yard.runner.instances() == []


@pytest.mark.docker
async def test_an_image_without_any_command_fails_to_start(yard: Yard) -> None:
    artifact = await yard.build({"Dockerfile": f"FROM {BASE}\nRUN true\n"}, DOCKERFILE)

    with pytest.raises(StartFailed, match="command"):
        await yard.start(artifact)


@pytest.mark.docker
async def test_forgetting_an_image_removes_it_and_no_other(yard: Yard, engine: Any) -> None:
    artifact = await yard.build({"Dockerfile": FILE, "app.py": HELLO}, DOCKERFILE)
    foreign = dataclasses.replace(artifact, image=engine.inspect_image(BASE)["Id"])

    await yard.runner.forget(artifact)
    await yard.runner.forget(artifact)
    await yard.runner.forget(foreign)

    assert engine.images(BASE)
    assert artifact.image not in [each["Id"] for each in engine.images(all=True)]


@pytest.mark.docker
async def test_an_image_that_steps_down_from_root_can(yard: Yard) -> None:
    file = (
        f"FROM {BASE}\nCOPY app.py /srv/\n"
        "CMD mkdir /data && chown nobody /data && exec setpriv --reuid=65534 --clear-groups python /srv/app.py down\n"
    )

    instance = await yard.start(await yard.build({"Dockerfile": file, "app.py": HELLO}, DOCKERFILE))

    assert await ask(instance) == (200, "down")


@pytest.mark.docker
async def test_a_base_image_that_does_not_exist_is_named(new_runner: NewRunner, tmp_path: Path) -> None:
    yard = Yard(new_runner(images={"python": "127.0.0.1:1/no/such:image"}), tmp_path)

    with pytest.raises(BuildFailed, match="no/such:image") as failed:
        await yard.build({"app.py": HELLO}, dataclasses.replace(PYTHON, build="true"))

    assert "SLIPWAY_IMAGE_PYTHON" in failed.value.hint


@pytest.mark.docker
async def test_no_base_image_at_all_makes_the_backend_unavailable(new_runner: NewRunner) -> None:
    nowhere = "127.0.0.1:1/no/such:image"

    with pytest.raises(Unavailable, match="no/such"):
        await new_runner(images={"python": nowhere, "node": nowhere}).base_images()

    await new_runner(images={**base_images(), "python": nowhere}).base_images()


@pytest.mark.docker
async def test_a_language_without_a_base_image_is_told_to_bring_a_dockerfile(yard: Yard) -> None:
    with pytest.raises(BuildFailed) as failed:
        await yard.build({"main.zig": ""}, Plan(language="zig", kind="server", build="zig build"))

    assert "Dockerfile" in failed.value.hint
    assert "SLIPWAY_IMAGE_ZIG" in failed.value.hint


@pytest.mark.parametrize(
    ("language", "version", "name"),
    [
        ("python", "3.12", "python:3.12-slim"),
        ("python", None, "python:3.13-slim"),
        ("python", "3.12; rm -rf /", "python:3.13-slim"),
        ("node", "20", "node:20-slim"),
        ("node", None, "node:22-slim"),
        ("static", "20", "python:3.13-slim"),
        ("go", "1.22", "golang:1.22"),
        ("go", None, "golang:1"),
        ("java", "17", "eclipse-temurin:17-jdk"),
        ("dotnet", "8.0", "mcr.microsoft.com/dotnet/sdk:8.0"),
        ("deno", "2.1.4", "denoland/deno:debian-2.1.4"),
        ("zig", "0.13", None),
    ],
)
def test_the_base_image_is_the_one_that_the_project_asks_for(
    language: str, version: str | None, name: str | None
) -> None:
    assert name_of(Plan(language=language, kind="server", version=version), {}) == name


def test_the_base_image_has_the_tool_that_builds() -> None:
    maven = Plan(language="java", kind="server", package_manager="maven", version="17")
    hugo = Plan(language="static", kind="static", framework="hugo", build="hugo")

    assert name_of(maven, {}) == "maven:3-eclipse-temurin-17"
    assert name_of(hugo, {}) == "hugomods/hugo:exts"
    assert name_of(dataclasses.replace(hugo, build=None), {}) == "python:3.13-slim"


@pytest.mark.parametrize("version", ["1.22", None])
def test_a_setting_names_the_image_of_any_language(version: str | None) -> None:
    go = Plan(language="go", kind="server", version=version)
    gradle = Plan(language="java", kind="server", package_manager="gradle")

    assert name_of(go, {"go": "ours/go"}) == "ours/go"
    assert name_of(gradle, {"java": "ours/java"}) == "ours/java"
    assert name_of(Plan(language="zig", kind="server"), {"zig": "ours/zig"}) == "ours/zig"
    assert (setting_of(go), setting_of(gradle)) == ("SLIPWAY_IMAGE_GO", "SLIPWAY_IMAGE_JAVA")


@pytest.mark.docker
async def test_system_packages_are_installed_once_beneath_a_project(yard: Yard, engine: Any) -> None:
    plan = Plan(language="python", kind="server", build="command -v file && file --version", system_packages=("file",))
    await yard.build({"app.py": HELLO}, plan)
    quiet = Lines()

    await yard.build({"app.py": HELLO, "more.txt": ""}, plan, quiet)

    assert "Installing system packages: file." in yard.log.text
    assert "Installing" not in quiet.text
    assert "magic file" in quiet.text


@pytest.mark.docker
@pytest.mark.parametrize("package", ["no-such-package-as-this", "file; touch /bad"])
async def test_system_packages_that_do_not_exist_are_told_with_a_way_out(yard: Yard, package: str) -> None:
    plan = Plan(language="python", kind="server", build="true", system_packages=(package,))

    with pytest.raises(BuildFailed, match=package.split(";", maxsplit=1)[0]) as failed:
        await yard.build({"app.py": HELLO}, plan)

    assert "Dockerfile" in failed.value.hint


@pytest.mark.docker
async def test_a_command_runs_in_the_image_instead_of_its_own(yard: Yard, engine: Any) -> None:
    file = f'FROM {BASE}\nWORKDIR /srv\nRUN echo inside > it.txt\nENTRYPOINT ["false"]\n'
    artifact = await yard.build({"Dockerfile": file}, DOCKERFILE)

    await yard.command(artifact, "cat it.txt; echo $WORD", {"WORD": "told"})

    assert "inside\ntold\n" in yard.log.text
    assert [each for each in engine.containers(all=True) if each["ImageID"] == artifact.image] == []
