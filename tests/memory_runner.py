"""A backend in memory: thousands of builds and starts in the time that one process takes."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from dataclasses import dataclass, field

from runners.base import Artifact, BuildFailed, Instance, Launch, Limits, Log, Source, StartFailed

WORD = "word.txt"  # the file whose content an instance answers with


@dataclass
class Running:
    """One instance: a socket on this machine that answers with its word and its own id."""

    instance: Instance
    artifact: str
    word: str
    server: asyncio.Server
    well: bool = True

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            body = f"{self.word} {self.instance.id}".encode()
            status = "200 OK" if self.well else "500 Internal Server Error"
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@dataclass
class Machine:
    """What survives a crash of ours: what was built, and what runs."""

    built: dict[str, Artifact] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)  # artifact digest -> what it answers
    running: dict[str, Running] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)  # instance that was healthy at its start -> its artifact
    refusing: int = 0  # so many starts in production fail from now on
    gate: asyncio.Event | None = None  # starts in production wait for it
    _count: itertools.count[int] = field(default_factory=itertools.count)

    async def start(self, launch: Launch) -> Instance:
        if launch.env.get("SLIPWAY_ENVIRONMENT") == "production":
            if self.gate is not None:
                await self.gate.wait()
            if self.refusing > 0:
                self.refusing -= 1
                raise StartFailed("It did not answer in time.", step="start")
        for old in [one for one in self.running.values() if one.instance.deployment == launch.deployment]:
            await self.stop(old.instance.id)
        ident, digest = f"i{next(self._count)}", launch.artifact.digest
        made: list[Running] = []
        server = await asyncio.start_server(lambda r, w: made[0].answer(r, w), "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
        instance = Instance(ident, launch.deployment, "memory", "127.0.0.1", port)
        made.append(Running(instance, digest, self.words[digest], server))
        self.running[ident], self.answered[ident] = made[0], digest
        return instance

    async def stop(self, ident: str) -> None:
        gone = self.running.pop(ident, None)
        if gone is not None:
            gone.server.close()
            await gone.server.wait_closed()

    async def end(self) -> None:
        for ident in list(self.running):
            await self.stop(ident)


class MemoryRunner:
    """The Protocol `Runner` over a machine.  Each call gives way once, so that others come in between."""

    name = "memory"
    isolates = True

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    async def reach(self) -> None:
        """Before each call."""
        await asyncio.sleep(0)

    async def ready(self) -> None:
        await self.reach()

    async def build(self, source: Source, limits: Limits, log: Log) -> Artifact:
        await self.reach()
        name = f"{source.scope} {source.tree_hash} {source.plan.digest}"
        digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        path = source.path / WORD
        if not path.is_file():
            raise BuildFailed(f"There is no {WORD}.", step="build")
        log.write("built")
        self.machine.words[digest] = path.read_text().strip()
        artifact = Artifact(digest, "directory", source.plan.as_json(), source.scope)
        return self.machine.built.setdefault(digest, artifact)

    async def start(self, launch: Launch, log: Log) -> Instance:
        await self.reach()
        log.write("starting")
        return await self.machine.start(launch)

    async def run(self, launch: Launch, command: str, log: Log) -> None:
        await self.reach()
        log.write(f"ran {command}")

    async def stop(self, instance: Instance) -> None:
        await self.reach()
        await self.machine.stop(instance.id)

    async def sleep(self, instance: Instance) -> None:
        await self.reach()

    async def wake(self, instance: Instance) -> None:
        await self.reach()

    async def healthy(self, instance: Instance) -> bool:
        await self.reach()
        running = self.machine.running.get(instance.id)
        return running is not None and running.well

    async def instances(self) -> list[Instance]:
        await self.reach()
        return [one.instance for one in self.machine.running.values()]

    async def logs(self, instance: Instance, lines: int = 200) -> str:
        await self.reach()
        return "it says nothing"

    async def forget(self, artifact: Artifact) -> None:
        await self.reach()
        self.machine.built.pop(artifact.digest, None)

    async def close(self) -> None:
        return
