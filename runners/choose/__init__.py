"""Which backend runs previews here.  The one place that knows them all by name."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from runners.base import Runner, RunnerError, Unavailable
from runners.base.box import Box
from runners.base.folders import Folders
from runners.choose.several import Several
from runners.process import ProcessRunner
from runners.process.locked import ProcessBox

_log = logging.getLogger(__name__)


async def choose(
    kind: Literal["auto", "docker", "process"],
    home: Path,
    *,
    images: Mapping[str, str] | None = None,
    certificates: Path | None = None,
) -> Runner:
    """The backend that was asked for; "auto" is Docker when an engine with a base image answers, else processes.

    `images`: what Docker uses instead of the official ones, by language ("go") or database ("postgresql").
    Raises Unavailable when the one asked for can't be used."""
    return Several(await _backend(kind, home, images, certificates))


async def _backend(
    kind: Literal["auto", "docker", "process"], home: Path, images: Mapping[str, str] | None, certificates: Path | None
) -> Runner:
    folders, ident = Folders(home), home_id(home)
    folders.sweep()
    if kind == "process":
        return await _processes(folders, ident, certificates)
    from runners.docker import DockerRunner  # 0.1 s to import

    docker = DockerRunner(folders, ident, images=images, certificates=certificates)
    try:
        await docker.ready()
        if kind == "auto":
            await docker.base_images()
    except Unavailable as error:
        await docker.close()
        if kind == "docker":
            raise
        _log.info("previews run as plain processes: %s", error)
        return await _processes(folders, ident, certificates)
    return docker


async def _processes(folders: Folders, ident: str, certificates: Path | None) -> Runner:
    runner = ProcessRunner(folders, ident, certificates=certificates)
    await asyncio.to_thread(runner.sweep)
    return runner


def home_id(home: Path) -> str:
    """Names this installation on what it makes elsewhere (labels); kept in the home, made once."""
    path = home / "id"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        fresh = home / "id.new"  # a crash must not leave an empty one
        fresh.write_text(uuid.uuid4().hex[:12])
        fresh.replace(path)
    return path.read_text().strip()


async def box(
    kind: Literal["auto", "docker", "process"],
    home: Path,
    *,
    images: Mapping[str, str] | None = None,
) -> Box:
    """Where scanners run: processes with namespaces of their own where the kernel gives them, whatever runs previews.

    Else locked containers, which take seconds longer, when an engine with a base image sees our files and `kind` is not
    "process".  Never raises: without a better place, limits hold them, and the box's name says so."""
    plain = ProcessBox()
    if await plain.isolates():
        return plain
    if kind == "process":
        _log.warning("only limits hold scanners: the kernel gives them no namespaces of their own (%s)", plain.name)
        return plain
    from runners.docker.locked import DockerBox  # 0.1 s to import

    docker = DockerBox(home, await asyncio.to_thread(home_id, home), images=images)
    try:
        await docker.ready()
    except RunnerError as error:
        await docker.close()
        _log.warning("only limits hold scanners: no namespaces (%s) and no containers (%s)", plain.name, error)
        return plain
    return docker
