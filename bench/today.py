"""What people do today for the same commit: a fresh clone, `docker build`, `docker run`, and the old one stopped."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path

from bench.apps import App
from bench.commands import Failed, free_port, output, ran, shows
from demo.github.git import environment

PORT = 8000  # inside the container


class Today:
    """Builds and runs by the docker command line, as scripts and deploy tools do.  `mark` is in every name."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._folder, self._name = folder, f"slipway-bench-{mark}"
        self._count = 0
        self._running: dict[str, str] = {}  # app: the container that serves now

    async def live(self, app: App, url: str, branch: str, version: str, *, cold: bool) -> tuple[float, str]:
        """Seconds until the new version answers on its published port, and the image.  `cold`: no layer is reused."""
        self._count += 1
        clone, name, port = self._folder / f"clone-{app.name}", f"{self._name}-{self._count}", free_port()
        await asyncio.to_thread(shutil.rmtree, clone, True)
        began = time.perf_counter()
        await ran("git", "clone", "--quiet", "--depth=1", "--branch", branch, url, clone, env=environment())
        (clone / "Dockerfile").write_text(app.dockerfile(PORT))
        (clone / ".dockerignore").write_text(app.ignored)
        await ran("docker", "build", "--quiet", *(("--no-cache",) if cold else ()), "--tag", name, ".", folder=clone)
        await ran("docker", "run", "--detach", "--init", "--name", name, "--publish", f"127.0.0.1:{port}:{PORT}", name)
        took = await shows(port, version) - began
        await self._replace(app.name, name)
        return took, name

    async def _replace(self, app: str, name: str) -> None:
        old = self._running.get(app)
        self._running[app] = name
        if old is not None:
            await ran("docker", "rm", "--force", "--volumes", old)

    async def clear(self) -> None:
        """Remove every container and image of ours."""
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        with contextlib.suppress(Failed):
            left = output("docker", "ps", "--all", "--quiet", "--filter", f"name={self._name}-").split()
            if left:
                output("docker", "rm", "--force", "--volumes", *left)
            images = output("docker", "images", "--quiet", "--filter", f"reference={self._name}-*").split()
            if images:
                output("docker", "rmi", "--force", *dict.fromkeys(images))
