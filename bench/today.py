"""What people do today for the same commit: a fresh clone, `docker build`, `docker run`, and the old one stopped.

Or, where the plugin is, a fresh clone and `docker compose up --build`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import time
from pathlib import Path

from bench.apps import App
from bench.commands import Failed, free_port, output, ran, shows
from demo.github.git import environment

PORT = 8000  # inside the container
_COMPOSE = """\
services:
  web:
    build: .
    init: true
    ports: ["127.0.0.1:{port}:{inside}"]
"""


class Today:
    """Builds and runs by the docker command line, as scripts and deploy tools do.  `mark` is in every name."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._folder, self._name = folder, f"slipway-bench-{mark}"
        self._count = 0
        self._running: dict[str, str] = {}  # app: the container that serves now
        self._composed: dict[str, int] = {}  # app: the port of its compose project

    async def live(self, app: App, url: str, branch: str, version: str, *, cold: bool) -> tuple[float, str]:
        """Seconds until the new version answers on its published port, and the image.  `cold`: no layer is reused."""
        self._count += 1
        name, port = f"{self._name}-{self._count}", free_port()
        began, clone = await self._cloned(app, url, branch)
        await ran("docker", "build", "--quiet", *_afresh(cold), "--tag", name, ".", folder=clone)
        await ran("docker", "run", "--detach", "--init", "--name", name, "--publish", f"127.0.0.1:{port}:{PORT}", name)
        took = await shows(port, version) - began
        old, self._running[app.name] = self._running.get(app.name), name
        if old is not None:
            await ran("docker", "rm", "--force", "--volumes", old)
        return took, name

    async def composed(self, app: App, url: str, branch: str, version: str, *, cold: bool) -> float:
        """The same by `docker compose up --build`, which stops the old one first."""
        port = self._composed.setdefault(app.name, free_port())
        began, clone = await self._cloned(app, url, branch)
        (clone / "compose.yaml").write_text(_COMPOSE.format(port=port, inside=PORT))
        compose = ("docker", "compose", "--project-name", f"{self._name}-{app.name}")
        if cold:
            await ran(*compose, "build", "--no-cache", folder=clone)
        await ran(*compose, "up", "--detach", "--build", folder=clone)
        return await shows(port, version) - began

    async def _cloned(self, app: App, url: str, branch: str) -> tuple[float, Path]:
        """When it began, and a clone with the files that people have in it."""
        clone = self._folder / f"clone-{app.name}"
        await asyncio.to_thread(shutil.rmtree, clone, True)
        began = time.perf_counter()
        await ran("git", "clone", "--quiet", "--depth=1", "--branch", branch, url, clone, env=environment())
        (clone / "Dockerfile").write_text(app.dockerfile(PORT))
        (clone / ".dockerignore").write_text(app.ignored)
        return began, clone

    async def clear(self) -> None:
        """Remove every container, network and image of ours."""
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        ours = [f"reference={self._name}-*"]
        for project in (f"{self._name}-{app}" for app in self._composed):
            ours.append(f"label=com.docker.compose.project={project}")
            with contextlib.suppress(Failed):
                output("docker", "compose", "--project-name", project, "down", "--timeout=1", "--volumes")
        with contextlib.suppress(Failed):
            left = output("docker", "ps", "--all", "--quiet", "--filter", f"name={self._name}-").split()
            if left:
                output("docker", "rm", "--force", "--volumes", *left)
            for mine in ours:
                images = output("docker", "images", "--quiet", "--filter", mine).split()
                if images:
                    output("docker", "rmi", "--force", *dict.fromkeys(images))


@functools.cache
def has_compose() -> bool:
    """Whether the docker command line has its compose plugin."""
    try:
        output("docker", "compose", "version")
    except Failed:
        return False
    return True


@functools.cache
def builder() -> str:
    """Which builder `docker build` means here."""
    try:
        output("docker", "buildx", "version")
    except Failed:
        return "classic"
    return "BuildKit"


def _afresh(cold: bool) -> tuple[str, ...]:
    return ("--no-cache",) if cold else ()
