"""Building a project's own Dockerfile, by the engine's classic builder.

The SDK's own `build` hands out its answer in a way that can't be cut off from outside, and the builder only stops
when its caller hangs up; hence the request itself.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import threading
from collections.abc import Iterator
from typing import IO, Any

from runners.base import BuildFailed, Limits, Log, Source, Unavailable
from runners.base.folders import read_inside
from runners.docker.box import PERIOD
from runners.docker.engine import Engine
from runners.isolation import to_end


class DockerfileBuild:
    """One build.  Leaving `run` early ends it in the engine too."""

    def __init__(
        self, engine: Engine, source: Source, name: str, labels: dict[str, str], limits: Limits, log: Log
    ) -> None:
        self._engine, self._source, self._name, self._labels = engine, source, name, labels
        self._limits, self._log = limits, log
        self._root = source.path / source.plan.root
        self._dockerfile = source.plan.entry or "Dockerfile"
        self._stream: Any = None
        self._left = threading.Event()

    async def run(self) -> str:
        """The id of the image.  Raises BuildFailed."""
        await self._engine.join_network()
        work = asyncio.ensure_future(self._engine.stream(self._run))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._left.set()
            await to_end(self._hang_up(work))
            raise

    def _run(self) -> str:
        with self._pack() as context:
            self._stream = self._ask(context)
        try:
            return self._read()
        finally:
            self._stream._response.close()

    def _pack(self) -> IO[bytes]:
        import docker.utils

        ignored = read_inside(self._root, ".dockerignore").decode() if (self._root / ".dockerignore").exists() else ""
        patterns = [line.strip() for line in ignored.splitlines() if line.strip() and not line.startswith("#")]
        context: IO[bytes] = docker.utils.tar(str(self._root), exclude=patterns, dockerfile=(self._dockerfile, None))
        return context

    def _ask(self, context: IO[bytes]) -> Any:
        from docker.types import CancellableStream

        client = self._engine.connect()
        params = {
            "dockerfile": self._dockerfile,
            "labels": json.dumps(self._labels),
            "networkmode": self._engine.prefix,
            "memory": self._limits.memory,
            "memswap": self._limits.memory,
            "cpuperiod": PERIOD,
            "cpuquota": int(self._limits.cpus * PERIOD),
            "t": self._name,
            "rm": "1",
            "forcerm": "1",
        }
        params |= _told(self._source.plan.build or "")
        address = f"{client.base_url}/v{client.api_version}/build"
        headers = {"Content-Type": "application/x-tar"}
        response = client.post(address, params=params, data=context, headers=headers, stream=True, timeout=None)
        if response.status_code >= 400:
            with response:
                message = response.json().get("message", response.reason)
            raise BuildFailed(str(message), step="build", path=self._dockerfile)
        return CancellableStream(response.iter_lines(), response)

    def _read(self) -> str:
        image = ""
        for line in self._lines():
            said = json.loads(line)
            text = said.get("stream") or said.get("status") or ""
            if text:
                self._log.write(text if text.endswith("\n") else f"{text}\n")
            if "error" in said:
                raise BuildFailed(str(said["error"]), step="build", path=self._dockerfile)
            image = (said.get("aux") or {}).get("ID") or image
        if not image:
            raise Unavailable("the Docker engine ended the build without a word")
        return image

    def _lines(self) -> Iterator[bytes]:
        if self._left.is_set():
            return
        yield from (line for line in self._stream if line)

    async def _hang_up(self, work: asyncio.Future[str]) -> None:
        while not work.done():
            if self._stream is not None:
                await self._engine.thread(self._close)
            await asyncio.wait([work], timeout=0.1)
        work.exception()

    def _close(self) -> None:
        try:
            self._stream.close()
        except (OSError, ValueError, AttributeError):  # it ended by itself at the same time
            return


def _told(flags: str) -> dict[str, str]:
    """The stage and the arguments that a plan names, as `docker build` would be told; other flags are none of ours.

    The engine keeps steps without regard to a proxy they went through: one of a project would be behind others' too."""
    words = [word.partition("=") for word in shlex.split(flags)]
    args = [value.partition("=") for flag, _, value in words if flag == "--build-arg"]
    args = [one for one in args if not one[0].lower().endswith("_proxy")]
    stages = [value for flag, _, value in words if flag == "--target"]
    told = {"buildargs": json.dumps({name: value for name, _, value in args})} if args else {}
    return told | ({"target": stages[-1]} if stages else {})
