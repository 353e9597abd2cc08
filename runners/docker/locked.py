"""A locked container for one tool: no network, nothing to write but its cache, nobody's rights, no way out."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.base import Limits, Log, Plan, Unavailable
from runners.base.box import TAIL, Ended, tail, too_long, too_much
from runners.docker.box import Box
from runners.docker.engine import Engine
from runners.docker.images import Images
from runners.docker.mounts import bind
from runners.isolation import to_end

_log = logging.getLogger(__name__)

_LIMITS = Limits(memory=1500 * 1024 * 1024, cpus=2.0, pids=256, files=4096)
_CLOSED = Path("/root")  # nobody may pass it in any image


class DockerBox:
    """Runs tools in containers of their own.  The tools are this machine's; the image lends the C library."""

    name = "docker"

    def __init__(self, home: Path, home_id: str, *, images: Mapping[str, str] | None = None) -> None:
        self._home = home.resolve()
        self._engine = Engine(home_id)
        self._images = Images(self._engine, images or {})
        self._image: str | None = None

    async def ready(self) -> None:
        """Raise Unavailable when there is no engine, no image, or it does not see our files: then it is remote."""
        await self._engine.call("ping")
        await self._images.any_base()
        folder = await asyncio.to_thread(_marked, self._home)
        try:
            ended = await self.run(
                ["/bin/cat", str(folder / "mark")], folder=folder, readable=(), cache=None, env={}, seconds=30, most=100
            )
            if ended.output != b"seen":
                raise Unavailable("the Docker engine does not see this machine's files")
        finally:
            await to_end(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        readable: Sequence[Path],
        cache: Path | None,
        env: Mapping[str, str],
        seconds: float,
        most: int,
    ) -> Ended:
        if cache is not None:
            await asyncio.to_thread(cache.mkdir, 0o755, True, True)
            await self._engine.give(cache)
        scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="box-", dir=self._home))
        box = await self._box(argv, folder, readable, cache, env, scratch)
        started = time.monotonic()
        try:
            code, why, printed, complained = await self._watched(box, seconds, most)
        finally:
            await to_end(self._remove(box.name, scratch))
        return Ended(code, printed, tail(complained), time.monotonic() - started, why)

    async def _watched(self, box: Box, seconds: float, most: int) -> tuple[int | None, str | None, bytes, bytes]:
        """Its exit code, or why we ended it; what it printed and complained of."""
        await to_end(self._engine.create(box))
        stream = await self._engine.call("attach_socket", box.name, params={"stdout": 1, "stderr": 1, "stream": 1})
        reading = asyncio.ensure_future(self._engine.stream(_take, stream, most))
        try:
            await to_end(self._engine.start(box.name))
            await asyncio.wait([reading], timeout=seconds)
            late = not reading.done()
            if not late and reading.result()[0] is not None:
                code = int((await self._engine.call("wait", box.name, timeout=30))["StatusCode"])
                return code, None, *reading.result()  # type: ignore[return-value]
        finally:
            if not reading.done():
                await to_end(self._engine.remove(box.name))  # which ends the stream
            await asyncio.wait([reading])
        return None, too_long(seconds) if late else too_much(most), b"", reading.result()[1]

    async def _remove(self, name: str, scratch: Path) -> None:
        await self._engine.remove(name)
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def close(self) -> None:
        """Let go of the engine."""
        await self._engine.close()

    async def _box(
        self,
        argv: Sequence[str],
        folder: Path,
        readable: Sequence[Path],
        cache: Path | None,
        env: Mapping[str, str],
        scratch: Path,
    ) -> Box:
        name = self._engine.new_name("scan")
        mounts = [bind(each, str(each)) for each in _distinct([folder, *readable])]
        if cache is not None:
            mounts.append(bind(cache, str(cache), read_only=False))
        return Box(
            name=f"{self._engine.prefix}-{name}",
            kind="scan",
            deployment=name,
            image=await self._base(),
            limits=_LIMITS,
            entrypoint=[argv[0]],
            command=list(argv[1:]),
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", **env},  # noqa: S108
            mounts=[*_passages(mounts, scratch), *mounts],
            folder=str(folder),
            user=await self._engine.user(),
            network="none",
            read_only=True,
            logged=False,
        )

    async def _base(self) -> str:
        if self._image is None:
            self._image = await self._images.base_id(Plan(language="python", kind="server"), _Quiet())
        return self._image


class _Quiet(Log):
    def write(self, text: str) -> None:
        """Nobody reads it."""


def _take(stream: Any, most: int) -> tuple[bytes | None, bytes]:
    """What it printed (None: too much) and the end of what it complained of.  Blocks until it ends."""
    from docker.utils.socket import STDERR, frames_iter

    printed, complained = bytearray(), bytearray()
    try:
        for kind, chunk in frames_iter(stream, tty=False):
            (complained if kind == STDERR else printed).extend(chunk)
            del complained[: -4 * TAIL]
            if len(printed) > most:
                return None, bytes(complained)
    except (OSError, ValueError) as error:  # the container was removed under it
        _log.debug("output ended: %s", error)
    finally:  # at once: the engine ends no container whose output somebody might still take
        stream._response.close()
    return bytes(printed), bytes(complained)


def _distinct(folders: Sequence[Path]) -> list[Path]:
    """Each once, and none that lies in another."""
    chosen: list[Path] = []
    for folder in sorted(set(folders), key=lambda each: len(each.parts)):
        if not any(folder.is_relative_to(other) for other in chosen):
            chosen.append(folder)
    return chosen


def _passages(mounts: Sequence[Any], scratch: Path) -> list[Any]:
    """What lies below a folder that nobody may pass is reached through an empty one that everybody may.

    The engine makes the places to mount at in it; whoever runs inside may not write there."""
    if not any(Path(mount["Target"]).is_relative_to(_CLOSED) for mount in mounts):
        return []
    scratch.chmod(0o755)
    return [bind(scratch, str(_CLOSED), read_only=False)]


def _marked(home: Path) -> Path:
    """A folder with a file in it that everybody may read."""
    folder = Path(tempfile.mkdtemp(dir=home)).resolve()
    folder.chmod(0o755)
    mark = folder / "mark"
    mark.write_text("seen")
    mark.chmod(0o644)
    return folder
