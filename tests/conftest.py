"""Tests that need a Docker engine with base images are left out, visibly, where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest

IMAGES = {"SLIPWAY_IMAGE_PYTHON": "slipway/python:3.11", "SLIPWAY_IMAGE_NODE": "slipway/node:20"}


def base_images() -> dict[str, str]:
    """What Docker tests run projects on, by language, as `SLIPWAY_IMAGE_*` says."""
    return {name.rpartition("_")[2].lower(): os.environ.get(name, usual) for name, usual in IMAGES.items()}


@cache
def without_docker() -> str | None:
    """Why Docker tests can't run here, or None when they can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return "no Docker engine answers"
    for variable, image in IMAGES.items():
        name = os.environ.setdefault(variable, image)
        if subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode:
            return f"there is no base image {name}"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # long ones first: all workers end together
    marked = [item for item in items if item.get_closest_marker("docker")]
    why = without_docker() if marked else None
    for item in marked if why else ():
        item.add_marker(pytest.mark.skip(reason=why or ""))
