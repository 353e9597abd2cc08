"""What people do today for the same commit: a fresh clone, `docker build`, `docker run`, and the old one stopped.

Or, where the plugin is, a fresh clone and `docker compose up --build`.  And what they do to go back: the former tag.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import time
from collections.abc import Iterable
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
_TAGGED = """\
services:
  web:
    image: {image}
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
        await asyncio.to_thread(clear, self._name, [f"{self._name}-{app}" for app in self._composed])


def clear(name: str, projects: Iterable[str]) -> None:
    """Remove every container and image whose name begins so, and these compose projects.  Blocks."""
    ours = [f"reference={name}-*"]
    for project in projects:
        ours.append(f"label=com.docker.compose.project={project}")
        with contextlib.suppress(Failed):
            output("docker", "compose", "--project-name", project, "down", "--timeout=1", "--volumes")
    with contextlib.suppress(Failed):
        left = output("docker", "ps", "--all", "--quiet", "--filter", f"name={name}-").split()
        if left:
            output("docker", "rm", "--force", "--volumes", *left)
        for mine in ours:
            images = output("docker", "images", "--quiet", "--filter", mine).split()
            if images:
                output("docker", "rmi", "--force", *dict.fromkeys(images))


class Tags:
    """Two tags of one app, of which one is up on its published port; `mark` is in every name."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._folder, self._name, self._port = folder, f"slipway-bench-{mark}", free_port()
        self._web = f"{self._name}-web"  # the container, the image, the compose project

    @property
    def words(self) -> str:
        """What is done here, as it is told."""
        return "docker compose up -d" if has_compose() else "docker stop, rm, run"

    async def make(self, app: App, *versions: str) -> None:
        """Build an image for each; nobody times this."""
        for version in versions:
            place = self._folder / f"tag-{version}"
            for name, text in {**app.deps(0), **app.code(version), "Dockerfile": app.dockerfile(PORT)}.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_text(str(text))
            await ran("docker", "build", "--quiet", "--tag", f"{self._web}:{version}", ".", folder=place)

    async def up(self, version: str) -> float:
        """Seconds until that tag answers instead of the other."""
        image = f"{self._web}:{version}"
        began = time.perf_counter()
        if await asyncio.to_thread(has_compose):
            (self._folder / "compose.yaml").write_text(_TAGGED.format(image=image, port=self._port, inside=PORT))
            await ran("docker", "compose", "--project-name", self._web, "up", "--detach", folder=self._folder)
        else:
            with contextlib.suppress(Failed):  # the first time there is none
                await ran("docker", "stop", self._web)
                await ran("docker", "rm", self._web)
            published = f"127.0.0.1:{self._port}:{PORT}"
            await ran("docker", "run", "--detach", "--init", "--name", self._web, "--publish", published, image)
        return await shows(self._port, version) - began

    async def clear(self) -> None:
        """Remove every container, network and image of ours."""
        projects = [self._web] if has_compose() else []
        await asyncio.to_thread(clear, self._name, projects)


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
