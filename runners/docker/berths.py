"""A berth is a started container that waits at a gate for its files and environment.

Starting a container takes longer than most programs need to boot, and nearly all of that is its network.  So a
berth may be made before anybody knows what will run in it (see `pool`): one that is used at once and one that was
made ahead go the same way.
"""

from __future__ import annotations

import dataclasses
import os
import posixpath
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.base import Artifact, Gone, Launch, Limits, Plan
from runners.base.folders import Folders, copy_tree, remove
from runners.docker.box import Box
from runners.docker.engine import Engine, Refused, address
from runners.docker.mounts import Overlay, Overlays, bind
from runners.docker.places import APP, DEPS, MODULES, NODE_MODULES, PORT, trusting
from runners.isolation import to_end

LARGE_FILES, LARGE_BYTES = 1000, 10_000_000  # above either, a tree is seen through an overlay and not copied
# Images of others often begin as root to prepare their folders, then step down.
IMAGE_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID")
_GATE = "/slipway"
_WAIT = f"read -r _ <{_GATE}/gate; exec /bin/sh {_GATE}/run"
_LOOK = f"until [ -e {_GATE}/run ]; do sleep 0.1; done; exec /bin/sh {_GATE}/run"  # no pipe reaches into a VM
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Committed files that programs are known to write into; all others of a large tree can be replaced, not changed.
_STORES = (".db", ".sqlite", ".sqlite3")
_NOTES = (".json", ".csv", ".tsv", ".txt", ".log", ".yaml", ".yml", ".xml")
_NOTE_BYTES = 1_000_000  # larger ones are no notes
_GROUP = {"TINI_KILL_PROCESS_GROUP": "1"}  # a signal reaches the program, not only the shell before it


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """All that is fixed when a container is made; a spare fits whoever asks for the same."""

    scope: str
    image: str
    root: str  # of the plan, where node_modules lies
    deps: str | None
    modules: tuple[str, ...]  # the layers of node_modules, the first on top
    limits: Limits
    large: str | None = None  # a tree too large to be copied; nobody else asks for that


@dataclasses.dataclass(slots=True)
class Berth:
    """One container, from before its program starts until it is live."""

    name: str  # the deployment's, or the spare's
    folder: Path
    shape: Shape | None = None  # None: an image of the project's own
    container: str = ""
    host: str = ""
    pid: int = 0
    published: int | None = None  # port of 127.0.0.1 that leads to the one that was asked for
    gate: int | None = None  # keeps the pipe open until it was read

    def close(self) -> None:
        """Let go of the pipe."""
        if self.gate is not None:
            os.close(self.gate)
            self.gate = None


class Berths:
    """Makes berths, lets programs out of the gate, clears away."""

    def __init__(self, engine: Engine, folders: Folders, overlays: Overlays, certificates: Path | None) -> None:
        self._engine, self._folders, self._overlays, self._certificates = engine, folders, overlays, certificates

    async def shape(self, artifact: Artifact, image: str, limits: Limits) -> Shape:
        """What this artifact needs; looks at its files.  Raises Gone when they are missing."""
        large, modules = await self._engine.thread(_look, artifact)
        return Shape(
            scope=artifact.scope,
            image=image,
            root=artifact.the_plan().root,
            deps=artifact.deps,
            modules=tuple(map(str, modules)),
            limits=dataclasses.replace(limits, seconds=0),
            large=artifact.path if large and await self._overlays.work(image) else None,
        )

    async def join(self, berth: Berth, network: str | None) -> None:
        """Let it talk to its databases, if it has any."""
        if network is not None:
            await self._engine.call("connect_container_to_network", berth.container, network)

    async def make(self, shape: Shape, name: str, kind: str) -> Berth:
        """A started container that waits.  Cancelled or failed, it leaves nothing."""
        berth = Berth(name, self._folders.instance(name), shape)
        try:
            await to_end(self._clean(berth))
            direct = (await self._engine.facts()).direct
            mounts = await to_end(self._mounts(berth, shape, direct))
            box = self._box(
                berth,
                kind,
                image=shape.image,
                entrypoint=["/bin/sh"],  # images of tools have their own
                command=["-c", _WAIT if direct else _LOOK],
                env=_GROUP,
                mounts=mounts,
                folder=APP,
                user=await self._engine.user(),
                limits=_booting(shape.limits),
                publish=None if direct else PORT,
            )
            await to_end(self._start(berth, box))
        except BaseException:
            await to_end(self.clear(berth))
            raise
        return berth

    async def make_image(
        self,
        launch: Launch,
        env: Mapping[str, str],
        port: int,
        *,
        command: str | None = None,
        name: str | None = None,
        network: str | None = None,
    ) -> Berth:
        """An image of the project's own, started as it wants; its environment can't come later.

        With `command` that runs, and nothing else, under a name that is swept like a build's.  `network`: of its
        databases."""
        name = name or launch.deployment
        berth = Berth(name, self._folders.instance(name))
        try:
            await to_end(self._clean(berth))
            box = self._box(
                berth,
                "build" if command else "instance",
                image=launch.artifact.image or "",
                entrypoint=["/bin/sh", "-c", command] if command else None,
                command=None if command else _words(launch.artifact.the_plan().start),
                env={**env, **_GROUP},
                capabilities=IMAGE_CAPABILITIES,
                limits=_booting(launch.limits),
                publish=None if command or (await self._engine.facts()).direct else port,
            )
            await to_end(self._start(berth, box, network))
        except BaseException:
            await to_end(self.clear(berth))
            raise
        return berth

    async def rename(self, berth: Berth, name: str) -> None:
        """A spare becomes a deployment's instance."""
        folder = self._folders.instance(name)
        if folder.exists():
            await self._engine.remove(self._named(name))
            await self._engine.thread(remove, folder)
        try:
            await self._engine.call("rename", berth.container, self._named(name))
        except Refused as refused:
            if refused.status != 409:
                raise
            await self._engine.remove(self._named(name))
            await self._engine.call("rename", berth.container, self._named(name))
        berth.folder.rename(folder)
        berth.name, berth.folder = name, folder

    async def fill(self, berth: Berth, artifact: Artifact, env: Mapping[str, str], command: str | None = None) -> None:
        """Lay the files, say what to run (None: the plan's start), open the gate."""
        plan = artifact.the_plan()
        script = _script(plan, env, command or plan.start or "")
        app, run = berth.folder / "app", berth.folder / "gate" / "run"
        part = run.with_name("part")

        def lay() -> None:
            if app.exists():
                copy_tree(Path(artifact.path or ""), app)
            part.write_text(script)
            part.chmod(0o400)

        await self._engine.thread(lay)
        await self._engine.give(*(folder for folder in (app, part) if folder.exists()))
        part.rename(run)
        if berth.gate is not None:
            os.write(berth.gate, b"go\n")

    async def clear(self, berth: Berth) -> None:
        """Remove the container and all it left on disk."""
        berth.close()
        await self._engine.remove(berth.container or self._named(berth.name))
        await self._engine.thread(remove, berth.folder)

    async def alive(self, berth: Berth) -> bool:
        """It still waits, as it did when it was made."""
        try:
            state = (await self._engine.call("inspect_container", berth.container))["State"]
        except Refused:
            return False
        return bool(state["Running"]) and not state["Paused"]

    def _named(self, name: str) -> str:
        return f"{self._engine.prefix}-{name}"

    def _box(self, berth: Berth, kind: str, **rest: Any) -> Box:
        return Box(name=self._named(berth.name), kind=kind, deployment=berth.name, **rest)

    async def _clean(self, berth: Berth) -> None:
        """An empty folder; what an earlier try of the same name left goes first."""
        if berth.folder.exists():
            await self._engine.remove(self._named(berth.name))
            await self._engine.thread(remove, berth.folder)
        (berth.folder / "gate").mkdir(parents=True)

    async def _mounts(self, berth: Berth, shape: Shape, direct: bool) -> list[Any]:
        if direct:
            os.mkfifo(berth.folder / "gate" / "gate", 0o644)
            # Open for both: it does not wait for the reader, and what is written stays until it is read.
            berth.gate = os.open(berth.folder / "gate" / "gate", os.O_RDWR | os.O_NONBLOCK)
        mounts = [bind(berth.folder / "gate", _GATE), *trusting(self._certificates)]
        if shape.large:
            overlay = Overlay(APP, (Path(shape.large),), berth.folder / "upper")
            await self._engine.thread(_prepare_upper, overlay, await self._engine.uid())
            mounts.append(overlay.mount(self._engine))
        else:
            (berth.folder / "app").mkdir()
            mounts.append(bind(berth.folder / "app", APP, read_only=False))
        if shape.deps:
            mounts.append(bind(Path(shape.deps), DEPS))
        if shape.modules:
            mounts.append(await self._modules_mount(berth, shape))
        if shape.large:
            await self._engine.give(berth.folder / "upper")
        return mounts

    async def _modules_mount(self, berth: Berth, shape: Shape) -> Any:
        """Some servers keep caches in node_modules, hence one of its own for each instance where that is cheap."""
        place = berth.folder / ("upper" if shape.large else "app") / shape.root / NODE_MODULES
        place.mkdir(parents=True, exist_ok=True)
        lowers, target = tuple(map(Path, shape.modules)), posixpath.join(APP, shape.root, NODE_MODULES)
        if not await self._overlays.work(shape.image):
            return bind(lowers[0], target)
        overlay = Overlay(posixpath.normpath(target), lowers, berth.folder / "modules")
        overlay.upper.mkdir()
        overlay.work.mkdir()
        await self._engine.give(overlay.upper)
        return overlay.mount(self._engine)

    async def _start(self, berth: Berth, box: Box, network: str | None = None) -> None:
        berth.container = await self._engine.create(box)
        await self.join(berth, network)
        await self._engine.start(berth.container)
        found = await self._engine.call("inspect_container", berth.container)
        berth.pid, berth.host = int(found["State"]["Pid"]), address(found)
        if box.publish:
            berth.host = "127.0.0.1"
            berth.published = published(found["NetworkSettings"]["Ports"])


def published(ports: Mapping[str, Any] | None) -> int | None:
    """The port of 127.0.0.1 in the engine's list of them."""
    for bindings in (ports or {}).values():
        for each in bindings or ():
            return int(each["HostPort"])
    return None


def _words(start: str | None) -> list[str] | None:
    """What an image is started with, when the project says something else than the image does."""
    try:
        return shlex.split(start) if start else None
    except ValueError:  # a quote that never ends
        return ["/bin/sh", "-c", start or ""]


def _script(plan: Plan, env: Mapping[str, str], command: str) -> str:
    """Names that a shell can't take are left out: nothing could read them by name anyway."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in env.items() if _WORD.fullmatch(name)]
    folder = posixpath.normpath(posixpath.join(APP, plan.root))
    return "\n".join([*exports, f"cd {shlex.quote(folder)} || exit 1", f"exec /bin/sh -c {shlex.quote(command)}", ""])


def _booting(limits: Limits) -> Limits:
    """Half a processor makes a boot twice as long: the quota comes when it is live."""
    return dataclasses.replace(limits, cpus=max(1.0, limits.cpus))


def _modules(artifact: Artifact) -> list[Path]:
    """The layers of the instance's node_modules, the first on top; nothing when the tree has its own, or none."""
    if not artifact.deps or not artifact.path or artifact.the_plan().install_in_tree:
        return []
    modules = Path(artifact.deps) / "app" / NODE_MODULES
    changed = Path(artifact.path).with_name(MODULES)
    built = artifact.the_plan().build is not None and changed.is_dir()
    return [each for each in ([changed] if built else []) + [modules] if each.is_dir()]


def _look(artifact: Artifact) -> tuple[bool, list[Path]]:
    tree = Path(artifact.path or "")
    if not tree.is_dir() or (artifact.deps and not Path(artifact.deps).is_dir()):
        raise Gone("the artifact's files are missing; build it again")
    return _is_large(tree), _modules(artifact)


def _is_large(tree: Path) -> bool:
    files = size = 0
    for folder, _, names in os.walk(tree):
        files += len(names)
        size += sum((os.lstat(f"{folder}/{name}").st_size for name in names), 0)
        if files > LARGE_FILES or size > LARGE_BYTES:
            return True
    return False


def _prepare_upper(overlay: Overlay, uid: int) -> None:
    """Folders, and files that programs write into, become the program's own when the tree below is not."""
    overlay.upper.mkdir()
    overlay.work.mkdir()
    (tree,) = overlay.lowers
    if tree.stat().st_uid == uid:
        return
    for folder, folders, names in os.walk(tree):
        inside = overlay.upper / Path(folder).relative_to(tree)
        for name in folders:
            if not Path(folder, name).is_symlink():
                (inside / name).mkdir()
                shutil.copymode(Path(folder, name), inside / name)
        for name in names:
            if _is_written(Path(folder, name)):
                shutil.copy2(Path(folder, name), inside / name)


def _is_written(path: Path) -> bool:
    if not path.name.endswith(_STORES + _NOTES) or path.is_symlink():
        return False
    return path.name.endswith(_STORES) or path.stat().st_size <= _NOTE_BYTES
