"""The Docker backend: a directory in, a container out, and no image build when only code has changed.

`layers` makes dependencies and built trees in boxes, `images` builds Dockerfiles, `berths` and `pool` have
containers wait for their files, `doors` finds the port, `engine` asks Docker.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
)
from runners.base.failures import locate
from runners.base.folders import Folders, remove
from runners.base.sizes import Sizes
from runners.docker.backing import Beside, Databases
from runners.docker.berths import Berth, Berths, Shape
from runners.docker.doors import Doors
from runners.docker.engine import Engine, Refused, address
from runners.docker.follow import Follow, Tail
from runners.docker.images import Images
from runners.docker.layers import Layers
from runners.docker.mounts import Overlays
from runners.docker.places import PORT, port_of, running, wished
from runners.docker.pool import Pool
from runners.docker.stats import reading
from runners.health import Unhealthy, healthy
from runners.isolation import to_end

_PATIENCE = 2  # seconds between SIGTERM and SIGKILL
_NOTE = "note.json"  # in an instance's folder: where it answers


class DockerRunner:
    """Runs plans in containers.  `spares`: how many may wait for the next commit; 0: none."""

    name = "docker"
    isolates = True

    def __init__(
        self,
        folders: Folders,
        home_id: str,
        *,
        images: Mapping[str, str] | None = None,
        certificates: Path | None = None,
        spares: int = 4,
    ) -> None:
        self._folders = Folders(folders.home.resolve())
        self._engine = Engine(home_id)
        self._images = Images(self._engine, images or {})
        self._databases = Databases(self._engine, images or {})
        self._overlays = Overlays(self._engine, self._folders)
        self._certificates = certificates.resolve() if certificates else None
        self._layers = Layers(self._engine, self._folders, self._overlays, self._certificates)
        self._berths = Berths(self._engine, self._folders, self._overlays, self._certificates)
        self._pool = Pool(self._engine, self._berths, spares)
        self._shapes: dict[str, Shape] = {}  # of what we started: a spare goes with the last of its shape
        self._sizes = Sizes()
        self._swept: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Raise Unavailable when the engine does not answer."""
        await self._engine.call("ping")
        await self._engine.facts()
        await self._sweep()

    async def base_images(self) -> None:
        """Have one base image at least, pulled when there is none.  Raises Unavailable."""
        await self._images.any_base()

    async def build(self, source: Source, limits: Limits, log: Log) -> Artifact:
        """Make the artifact.  Raises BuildFailed, Unavailable."""
        plan = source.plan
        try:
            async with asyncio.timeout(limits.seconds):
                if plan.language == "docker":
                    return await self._images.make(source, limits, log)
                needed = plan.install or plan.build
                image = await self._images.base_id(plan, log) if needed else ""
                return await self._layers.make(source, image, limits, log)
        except TimeoutError as error:
            raise BuildFailed(
                f"it took longer than {limits.seconds:g} s",
                step="build",
                hint="Make it faster, or allow more with SLIPWAY_BUILD_SECONDS.",
            ) from error

    async def start(self, launch: Launch, log: Log) -> Instance:
        """Run it until it answers healthily.  Raises StartFailed, Gone, Unavailable; then nothing is left."""
        beside = await self._databases.start(launch, log)
        try:
            launch = beside.told(launch)
            await self._prepare(launch, beside, log)
            return await self._start(launch, beside, log)
        except BaseException:
            if beside.network:
                await to_end(self._databases.clear(launch.deployment))
            raise

    async def _start(self, launch: Launch, beside: Beside, log: Log) -> Instance:
        env, berth = await self._berth(launch, beside, log)
        try:
            host, port = await self._live(launch, berth, env, beside.network, log)
            await to_end(self._settle(launch, berth, host, port))
        except BaseException:
            await to_end(self._berths.clear(berth))
            raise
        if berth.shape:
            self._shapes[berth.container] = berth.shape
            self._pool.refill(berth.shape)
        return Instance(berth.container, launch.deployment, self.name, host, port)

    async def run(self, launch: Launch, command: str, log: Log) -> None:
        """Run a command line in a box like an instance's.  Raises RunFailed, Gone, Unavailable."""
        log.write(f"$ {command}\n")
        tail = Tail(log)
        try:
            async with asyncio.timeout(launch.limits.seconds):
                state = await self._ended(launch, command, tail)
        except TimeoutError as error:
            raise RunFailed(TOO_LONG.format(launch.limits.seconds), step="release") from error
        if state.get("OOMKilled"):
            raise RunFailed(f"It ran out of memory ({launch.limits.memory // 2**20} MB).", step="release")
        if state["ExitCode"]:
            hint = "The end of the log says more."
            raise RunFailed(f"It ended with exit code {state['ExitCode']}.", step="release", hint=hint)

    async def _prepare(self, launch: Launch, beside: Beside, log: Log) -> None:
        """Run the plan's migrations, when all its databases are our own.  Raises StartFailed."""
        plan = launch.artifact.the_plan()
        if not plan.prepare or not beside.complete:
            return
        log.write(f"$ {plan.prepare}\n")
        tail = Tail(log)
        try:
            async with asyncio.timeout(launch.limits.seconds):
                state = await self._ended(launch, plan.prepare, tail, beside.network)
        except TimeoutError as error:
            raise StartFailed(TOO_LONG.format(launch.limits.seconds), step="prepare") from error
        if state["ExitCode"]:
            told, hint = f"{plan.prepare} ended with exit code {state['ExitCode']}", "The end of the log says more."
            if state.get("OOMKilled"):
                told, hint = f"{plan.prepare} ran out of memory", "Use less memory, or raise SLIPWAY_MEMORY_MB."
            raise _blamed(told, hint, tail, plan.root, "prepare")

    async def _ended(self, launch: Launch, command: str, log: Log, network: str | None = None) -> dict[str, Any]:
        """How it ended, as the engine tells it; nothing of it is left."""
        berth, env = await self._box(launch, command, network, log)
        try:
            follow = Follow(self._engine, berth.container, log)
            try:
                if berth.shape:
                    await self._berths.join(berth, network)
                    await to_end(self._berths.fill(berth, launch.artifact, env, command))
                await asyncio.shield(follow.ended)
            finally:
                await to_end(follow.leave())
            await self._engine.call("wait", berth.container, timeout=60)
            state: dict[str, Any] = (await self._engine.call("inspect_container", berth.container))["State"]
            return state
        finally:
            await to_end(self._berths.clear(berth))

    async def _box(self, launch: Launch, command: str, network: str | None, log: Log) -> tuple[Berth, dict[str, str]]:
        """Where a command line runs, and what it will see."""
        artifact, plan, name = launch.artifact, launch.artifact.the_plan(), self._engine.new_name("release")
        if artifact.kind == "image":
            env = wished(launch, plan.port or PORT)
            berth = await self._berths.make_image(launch, env, PORT, command=command, name=name, network=network)
            return berth, env
        image = await self._images.base_id(plan, log)
        shape = await self._berths.shape(artifact, image, launch.limits)
        return await self._berths.make(shape, name, "build"), running(launch, self._certificates)

    async def stop(self, instance: Instance) -> None:
        """Stop and remove it with its folder.  Another's container is left alone."""
        shape = self._shapes.pop(instance.id, None)
        if shape and shape not in self._shapes.values():
            self._pool.drop(shape)
        await to_end(self._stop(instance))

    async def sleep(self, instance: Instance) -> None:
        """Freeze its processes, and its databases'."""
        try:
            await self._engine.call("pause", await self._ours(instance))
        except Refused as refused:
            if "already paused" not in str(refused):
                raise Gone(f"it can't be put to sleep: {refused}") from refused
        await self._databases.pause(instance.deployment)

    async def wake(self, instance: Instance) -> None:
        """Thaw them.  Raises Gone when there is nothing to wake."""
        await self._databases.unpause(instance.deployment)
        try:
            await self._engine.call("unpause", await self._ours(instance))
        except Refused as refused:
            if "not paused" not in str(refused) or not await self._runs(instance):
                raise Gone("there is nothing to wake") from refused

    async def healthy(self, instance: Instance) -> bool:
        """One probe of the health path."""
        note = await self._engine.thread(self._read_note, instance.deployment)
        return await healthy(instance.host, instance.port, str(note.get("health", "/")))

    async def instances(self) -> list[Instance]:
        """What runs, or sleeps, and carries our label and home.  Raises Unavailable."""
        listed = await self._engine.own(all=False)
        found = (self._engine.deployment(each) for each in listed)
        return [
            await self._engine.thread(self._as_instance, each, deployment)
            for each, deployment in zip(listed, found, strict=True)
            if deployment
        ]

    async def logs(self, instance: Instance, lines: int = 200) -> str:
        """The end of what it printed; nothing when it is gone."""
        try:
            said = await self._engine.call("logs", await self._ours(instance), tail=lines)
        except (Refused, Gone):
            return ""
        return bytes(said).decode("utf-8", "replace")

    async def usage(self, instance: Instance) -> Reading | None:
        """What its control group and its databases' have used; None when it does not run.  Its disk is what it wrote
        of its own."""
        try:
            found = await self._engine.call("inspect_container", await self._ours(instance))
            if not found["State"]["Running"]:
                return None
            stats = await self._engine.call("stats", instance.id, stream=False, one_shot=True)
        except (Refused, Gone):
            return None
        disk = await self._engine.thread(self._sizes.of, self._folders.instance(instance.deployment))
        own = reading(stats, disk, str(found["State"]["StartedAt"]))
        return await self._databases.with_used(instance.deployment, own) if own else None

    async def forget(self, artifact: Artifact) -> None:
        """Remove what the build made, and the dependency layer with the last artifact that needs it."""
        if artifact.kind == "image":
            await self._images.forget(artifact.image or "")
        else:
            await self._layers.forget(artifact)

    async def settle(self) -> None:
        """Wait until spares that are being made or removed are."""
        await self._pool.settle()

    async def close(self) -> None:
        """Remove the spares and let go of the engine; instances run on."""
        await self._pool.close()
        await self._engine.close()

    async def _sweep(self) -> None:
        """Once: remove what an earlier life left behind when it was killed."""
        if self._swept is None or (self._swept.done() and (self._swept.cancelled() or self._swept.exception())):
            self._swept = asyncio.ensure_future(self._sweep_once())
        await asyncio.shield(self._swept)

    async def _sweep_once(self) -> None:
        await self._engine.sweep()
        await self._databases.sweep()
        places = (self._folders.home / "instances").glob("*")
        for folder in [each for each in places if self._engine.stale(each.name)]:
            await self._engine.thread(remove, folder)

    async def _berth(self, launch: Launch, beside: Beside, log: Log) -> tuple[dict[str, str], Berth]:
        """What it will see, and where it will run."""
        artifact, plan = launch.artifact, launch.artifact.the_plan()
        if artifact.kind == "image":
            env = wished(launch, plan.port or PORT)
            try:
                return env, await self._berths.make_image(launch, env, port_of(env, PORT), network=beside.network)
            except Refused as refused:
                hint = "Look at CMD and ENTRYPOINT in the Dockerfile."
                raise StartFailed(f"The image can't be started: {refused}", step="start", hint=hint) from refused
        if not plan.start:
            raise StartFailed("There is nothing to start.", step="start", hint="Give the project a start command.")
        image = await self._images.base_id(plan, log)
        shape = await self._berths.shape(artifact, image, launch.limits)
        spare = await self._pool.take(shape, launch.deployment)
        berth = spare or await self._berths.make(shape, launch.deployment, "instance")
        return running(launch, self._certificates), berth

    async def _live(
        self, launch: Launch, berth: Berth, env: dict[str, str], network: str | None, log: Log
    ) -> tuple[str, int]:
        tail = Tail(log)
        plan = launch.artifact.the_plan()
        follow = Follow(self._engine, berth.container, tail)

        async def alive() -> bool:
            return not follow.ended.done()

        try:
            if launch.artifact.kind == "directory":
                await self._berths.join(berth, network)
                await to_end(self._berths.fill(berth, launch.artifact, env))
            doors = Doors(self._engine, berth, port_of(env, PORT))
            return await doors.reach(plan.health, launch.limits.seconds, alive)
        except Unhealthy as unhealthy:
            await to_end(follow.leave())
            raise await self._failure(launch, berth, unhealthy, tail) from unhealthy
        finally:
            berth.close()
            await to_end(follow.leave())

    async def _failure(self, launch: Launch, berth: Berth, unhealthy: Unhealthy, tail: Tail) -> StartFailed:
        """The same in words for people, with what the program itself printed."""
        message, hint = str(unhealthy), "Listen on the port in the PORT environment variable, on 0.0.0.0."
        if unhealthy.ended:
            state = (await self._engine.call("inspect_container", berth.container))["State"]
            message, hint = f"it ended with exit status {state['ExitCode']} before it answered", ""
            if state.get("OOMKilled"):
                message = f"it ran out of memory ({launch.limits.memory // 2**20} MB)"
                hint = "Use less memory, or raise SLIPWAY_MEMORY_MB."
        elif unhealthy.status is not None:
            hint = "Look at the log for the error behind it."
        return _blamed(message, hint, tail, launch.artifact.the_plan().root, "start")

    async def _settle(self, launch: Launch, berth: Berth, host: str, port: int) -> None:
        """It is live: give it its own share of the processors, and write down where it answers."""
        if launch.limits.cpus < 1:
            await self._engine.set_cpus(berth.container, launch.limits.cpus)
        note = {"host": host, "port": port, "health": launch.artifact.the_plan().health}
        await self._engine.thread((berth.folder / _NOTE).write_text, json.dumps(note))

    async def _stop(self, instance: Instance) -> None:
        made = await self._engine.remove(instance.id, patience=_PATIENCE)
        if not await self._engine.known(instance.deployment):  # another may have taken its place, and them
            await self._databases.clear(instance.deployment)
        for name in {instance.deployment, made or instance.deployment}:
            await self._engine.thread(remove, self._folders.instance(name))

    async def _ours(self, instance: Instance) -> str:
        """The container's id, when it is ours.  Raises Gone."""
        try:
            found = await self._engine.call("inspect_container", instance.id)
        except Refused as refused:
            raise Gone("it is no more") from refused
        if not self._engine.ours(found["Config"]["Labels"]):
            raise Gone("it is not ours")
        return str(found["Id"])

    async def _runs(self, instance: Instance) -> bool:
        try:
            return bool((await self._engine.call("inspect_container", instance.id))["State"]["Running"])
        except Refused:
            return False

    def _as_instance(self, listed: dict[str, Any], deployment: str) -> Instance:
        note = self._read_note(deployment)
        host = note.get("host") or address(listed)
        return Instance(listed["Id"], deployment, self.name, str(host), int(note.get("port", PORT)))

    def _read_note(self, deployment: str) -> dict[str, Any]:
        try:
            note: dict[str, Any] = json.loads((self._folders.instance(deployment) / _NOTE).read_text())
        except (OSError, ValueError):  # it is not live yet
            return {}
        return note


def _blamed(message: str, hint: str, tail: Tail, root: str, step: str) -> StartFailed:
    """With the fault that its output tells of, when it does."""
    fault = locate(tail.text, cwd=root)
    if fault is None:
        return StartFailed(message, step=step, hint=hint)
    told = f"{message}: {fault.message}"
    return StartFailed(told, step=step, hint=fault.hint or hint, path=fault.path, line=fault.line)
