"""A runner on a home of its own, and the engine as others see it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.base.folders import Folders
from runners.docker import DockerRunner
from tests.conftest import base_images
from tests.runners.apps import Yard

NewRunner = Callable[..., DockerRunner]


@pytest.fixture
def engine() -> Iterator[Any]:
    import docker

    client = docker.APIClient(version="auto")
    yield client
    client.close()


@pytest.fixture
async def new_runner(tmp_path: Path, engine: Any) -> AsyncIterator[NewRunner]:
    """Makes runners; what they made is removed at the end, as an administrator would."""
    made: list[DockerRunner] = []
    homes: set[str] = set()

    def another(home_id: str = "", **options: Any) -> DockerRunner:
        home_id = home_id or f"test-{uuid.uuid4().hex[:8]}"
        homes.add(home_id)
        options.setdefault("spares", 0)
        options.setdefault("images", base_images())
        options.setdefault("certificates", _certificates())
        runner = DockerRunner(Folders(tmp_path / "home"), home_id, **options)
        made.append(runner)
        return runner

    yield another
    for runner in made:
        await runner.close()
    for home_id in homes:
        labels = {"label": f"slipway.home={home_id}"}
        for each in engine.containers(all=True, filters=labels):
            engine.remove_container(each["Id"], force=True, v=True)
        for each in engine.networks(filters=labels):
            engine.remove_network(each["Id"])
        for each in engine.images(filters=labels):
            engine.remove_image(each["Id"], force=True)
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


@pytest.fixture
def runner(new_runner: NewRunner) -> DockerRunner:
    return new_runner()


@pytest.fixture
def yard(runner: DockerRunner, tmp_path: Path) -> Yard:
    return Yard(runner, tmp_path)


def _certificates() -> Path | None:
    told = os.environ.get("SSL_CERT_FILE")
    return Path(told) if told and Path(told).is_file() else None
