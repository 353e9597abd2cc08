"""The backend for a machine without Docker: every instance is a plain process in a session of its own.

It isolates little (see `runners.isolation`), and says so: `isolates` is False.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from pathlib import Path

from runners.base import (
    TOO_LONG,
    Artifact,
    BuildFailed,
    Gone,
    Instance,
    Launch,
    Limits,
    Log,
    Reading,
    RunFailed,
    Source,
    StartFailed,
    Unavailable,
)
from runners.base.folders import Folders, remove
from runners.base.sizes import Sizes
from runners.frameworks.backing import NAMES
from runners.health import healthy
from runners.isolation import Child, Group, end, freeze, spawn, thaw, to_end
from runners.ports import free_port, reachable
from runners.process.layers import Layers
from runners.process.notes import Note, Notes, cut, tail
from runners.process.starting import answering, box, environ, lay_out
from runners.process.steps import StepFailed, end_orphans, ending, run
from runners.process.toolchain import Tools
from runners.process.usage import used

_NICE = 5  # previews let us, who serve them all, go first
_TOLD = 200  # lines of a start that are told to whoever asked for it
_SET_IT = "Here, set the address of one that is for previews."
_ROUND = 0.25  # seconds between two looks at logs and at programs that ended


class ProcessRunner:
    """Builds and runs projects as our own user."""

    name = "process"
    isolates = False

    def __init__(self, folders: Folders, home_id: str, *, certificates: Path | None = None) -> None:
        self._folders = Folders(folders.home.resolve())
        self._home_id = home_id
        self._tools = Tools(self._folders, certificates)
        self._layers = Layers(self._folders, self._tools, home_id)
        self._notes = Notes(self._folders, home_id)
        self._children: dict[str, Child] = {}
        self._sizes = Sizes()
        self._round: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Raises Unavailable when the home can't be written or uv is missing."""
        try:
            await asyncio.to_thread(self._tools.lay_out)
            await asyncio.to_thread(end_orphans, self._home_id)
        except OSError as error:
            raise Unavailable(f"The process backend can't be used: {error}") from error

    def sweep(self) -> None:
        """Remove what a killed life of ours left half laid out.  Blocks; call before anything is started."""
        for folder in self._notes.unfinished():
            remove(folder)

    async def build(self, source: Source, limits: Limits, log: Log) -> Artifact:
        """As `Runner.build`."""
        await asyncio.to_thread(self._tools.lay_out)
        try:
            async with asyncio.timeout(limits.seconds):
                return await self._layers.make(source, limits, log)
        except TimeoutError as error:
            raise BuildFailed(
                f"The build took longer than {limits.seconds:g} s and was ended.",
                step="build",
                hint="Make it faster, or raise SLIPWAY_BUILD_SECONDS.",
            ) from error

    async def start(self, launch: Launch, log: Log) -> Instance:
        """As `Runner.start`; what runs under that deployment already is ended first."""
        if not launch.artifact.path or not launch.artifact.the_plan().start:
            raise StartFailed("There is nothing to start.", step="start", hint="Give the project a start command.")
        if self._notes.folder(launch.deployment).exists():
            await to_end(self._clear(launch.deployment, grace=0))
        try:
            return await self._start(launch, log)
        except BaseException:
            await to_end(self._clear(launch.deployment, grace=0))
            raise

    async def _start(self, launch: Launch, log: Log) -> Instance:
        plan, folder, asked = launch.artifact.the_plan(), self._notes.folder(launch.deployment), free_port()
        await to_end(asyncio.to_thread(lay_out, launch.artifact, folder))
        for each in plan.backing:
            if not set(each.variables) & set(launch.env):
                log.write(f"It wants {NAMES[each.kind]}: previews on Docker get one of their own. {_SET_IT}\n")
        env = environ(launch, folder, self._tools, f"{self._home_id}/{launch.deployment}", asked)
        child = _spawn(launch, folder, env)
        self._children[launch.deployment] = child
        self._watch()
        note = Note(self._home_id, launch.deployment, str(child.leader), plan.health)
        note.write(folder)
        try:
            found = await answering(child, self._notes.group(launch.deployment), asked, plan, launch.limits.seconds)
        finally:
            if told := tail(folder / "log", _TOLD):
                log.write(told + "\n")
        note = dataclasses.replace(note, host=reachable(found.ip), port=found.port)
        note.write(folder)
        return note.instance()

    async def run(self, launch: Launch, command: str, log: Log) -> None:
        """As `Runner.run`; what runs under that deployment already is ended first."""
        folder = self._notes.folder(launch.deployment)
        try:
            if folder.exists():
                await to_end(self._clear(launch.deployment, grace=0))
            await to_end(asyncio.to_thread(lay_out, launch.artifact, folder))
            async with asyncio.timeout(launch.limits.seconds):
                await run(command, box(launch, folder, self._tools, self._home_id), log)
        except TimeoutError as error:
            raise RunFailed(TOO_LONG.format(launch.limits.seconds), step="release") from error
        except StepFailed as failed:
            raise RunFailed(
                f"It {ending(failed.code)}.", step="release", hint="The end of the log says more."
            ) from None
        finally:
            await to_end(self._clear(launch.deployment, grace=0))

    async def stop(self, instance: Instance) -> None:
        """As `Runner.stop`.  It has three seconds to end by itself."""
        note = self._notes.read(instance.deployment)
        if note is None or note.leader == instance.id:
            await to_end(self._clear(instance.deployment))

    async def sleep(self, instance: Instance) -> None:
        """As `Runner.sleep`."""
        if not await asyncio.to_thread(freeze, self._group(instance)):
            raise Gone(f"{instance.deployment} does not run any more")

    async def wake(self, instance: Instance) -> None:
        """As `Runner.wake`."""
        if not await asyncio.to_thread(thaw, self._group(instance)):
            raise Gone(f"{instance.deployment} does not run any more")

    async def healthy(self, instance: Instance) -> bool:
        """As `Runner.healthy`."""
        note = self._notes.read(instance.deployment)
        if note is None or note.leader != instance.id or not await asyncio.to_thread(self._notes.lives, note):
            return False
        return await healthy(instance.host, instance.port, note.health)

    async def instances(self) -> list[Instance]:
        """As `Runner.instances`."""
        try:
            notes = await asyncio.to_thread(lambda: list(self._notes.running()))
        except OSError as error:
            raise Unavailable(f"The folder of instances can't be read: {error}") from error
        if notes:
            self._watch()
        return [note.instance() for note in notes]

    async def logs(self, instance: Instance, lines: int = 200) -> str:
        """As `Runner.logs`."""
        return await asyncio.to_thread(tail, self._notes.folder(instance.deployment) / "log", lines)

    async def usage(self, instance: Instance) -> Reading | None:
        """As `Runner.usage`; where the system does not tell of others' processes (macOS), None."""
        return await asyncio.to_thread(self._read, instance)

    def _read(self, instance: Instance) -> Reading | None:
        try:
            group = self._group(instance)
        except Gone:
            return None
        found = used(group)
        return Reading(*found, disk=self._sizes.of(group.folder)) if found else None

    async def forget(self, artifact: Artifact) -> None:
        """As `Runner.forget`.  A dependency layer goes with the last artifact that needs it."""
        await self._layers.forget(artifact)

    async def close(self) -> None:
        """As `Runner.close`."""
        if self._round:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)
            self._round = None

    def _group(self, instance: Instance) -> Group:
        group = self._notes.group(instance.deployment)
        if str(group.leader) != instance.id:
            raise Gone(f"{instance.deployment} does not run any more")
        return group

    async def _clear(self, deployment: str, grace: float = 3.0) -> None:
        """End what runs for a deployment and remove what it left."""
        group = self._notes.group(deployment)
        await end(group, grace)
        child = self._children.pop(deployment, None)
        if child:
            await child.wait()
        await asyncio.to_thread(remove, group.folder)

    def _watch(self) -> None:
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._rounds(), name="process-rounds")

    async def _rounds(self) -> None:
        """Reap those that ended by themselves, and keep logs short: programs write them without asking us."""
        while True:
            for child in list(self._children.values()):
                child.poll()
            await asyncio.to_thread(self._cut_logs)
            await asyncio.sleep(_ROUND)

    def _cut_logs(self) -> None:
        for log in (self._folders.home / "instances").glob("*/log"):
            with contextlib.suppress(OSError):  # removed while we looked
                cut(log)


def _spawn(launch: Launch, folder: Path, env: dict[str, str]) -> Child:
    plan = launch.artifact.the_plan()
    output = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return spawn(
            plan.start or "", cwd=folder / "app" / plan.root, env=env, limits=launch.limits, output=output, nice=_NICE
        )
    finally:
        os.close(output)
