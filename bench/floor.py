"""What nobody can be faster than: the commit fetched and checked out, the finished program started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uv

from bench.apps import App
from bench.commands import free_port, ran, shows
from demo.github.git import environment


class Mirror:
    """A bare repository and a checkout of it, kept from commit to commit.

    `shallow`: the first commit comes alone.  What is to come after it would be sent whole again, so that is for one."""

    def __init__(self, folder: Path, *, shallow: bool = False) -> None:
        self.tree, self._bare, self._index = folder / "tree", folder / "mirror.git", folder / "index"
        self._shallow = shallow

    async def bring(self, url: str, sha: str) -> float:
        """Seconds to have the files of a commit here; all of them the first time, then what has changed."""
        began = time.perf_counter()
        fresh = not self._bare.exists()
        if fresh:
            self.tree.mkdir(parents=True)
            await ran("git", "init", "--quiet", "--bare", "--template=", self._bare, env=environment())
        depth = ("--depth=1",) if fresh and self._shallow else ()
        await self._git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", *depth, url, sha
        )
        await self._git("read-tree", *(("--reset",) if fresh else ("-m",)), "-u", sha)
        return time.perf_counter() - began

    async def _git(self, *words: str) -> None:
        places = {"GIT_DIR": str(self._bare), "GIT_WORK_TREE": str(self.tree), "GIT_INDEX_FILE": str(self._index)}
        await ran("git", *words, folder=self.tree, env=environment(**places))


async def install(app: App, folder: Path) -> Path:
    """The app's dependencies, as a developer has them; where they are.  Nobody times this."""
    folder.mkdir(parents=True)
    for name, text in app.deps(0).items():
        (folder / name).write_text(str(text))
    if app.language == "python":
        tool = uv.find_uv_bin()
        await ran(tool, "venv", "--quiet", "--python", sys.executable, folder / "venv")
        told = {"VIRTUAL_ENV": str(folder / "venv")}
        await ran(
            tool, "pip", "install", "--quiet", "--compile-bytecode", "-r", "requirements.txt", folder=folder, env=told
        )
    elif app.language == "node":
        await ran("npm", "ci", "--no-audit", "--no-fund", folder=folder)
    return folder


async def process(app: App, installed: Path, tree: Path, version: str) -> float:
    """Seconds from starting the bare program in a checkout until it shows that version."""
    modules = installed / "node_modules"
    if modules.exists() and not (tree / "node_modules").exists():
        (tree / "node_modules").symlink_to(modules)
    port = free_port()
    path = os.pathsep.join([str(installed / "venv" / "bin"), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path, "HOST": "127.0.0.1", "PORT": str(port), "NODE_ENV": "production"}
    began = time.perf_counter()
    child = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", f"exec {app.command}"),
        cwd=tree,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return await shows(port, version) - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


class Engine:
    """The Docker engine, by its API: no command line in the way."""

    def __init__(self, client: Any, mark: str) -> None:
        self._client, self._mark = client, mark

    async def container(self, image: str, port: int, version: str) -> float:
        """Seconds from asking for a container of a finished image until it shows that version, on its own address."""
        began = time.perf_counter()
        made = await asyncio.to_thread(self._client.create_container, image, labels={"slipway.bench": self._mark})
        try:
            host = await asyncio.to_thread(self._start, made["Id"])
            return await shows(port, version, host=host) - began
        finally:
            await asyncio.to_thread(self._client.remove_container, made["Id"], force=True, v=True)

    def _start(self, ident: str) -> str:
        self._client.start(ident)
        return str(self._client.inspect_container(ident)["NetworkSettings"]["IPAddress"])


@contextlib.asynccontextmanager
async def engine(mark: str) -> AsyncIterator[Engine | None]:
    """None when there is no engine, or no command line for it."""
    import docker

    client = None
    if shutil.which("docker"):
        with contextlib.suppress(docker.errors.DockerException):
            client = await asyncio.to_thread(docker.APIClient, version="auto", **docker.utils.kwargs_from_env())
    try:
        yield Engine(client, mark) if client else None
    finally:
        if client:
            await asyncio.to_thread(client.close)
