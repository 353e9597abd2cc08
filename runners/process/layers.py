"""What a build makes and keeps: the dependency layer, and the files that are served or run.

deps/<scope>/<key>/app     the manifests (or the whole tree) with node_modules beside them
deps/<scope>/<key>/venv    Python's environment
deps/<scope>/<key>/uses    one empty file for each artifact that needs the layer
artifacts/<scope>/<key>/files
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import weakref
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from runners.base import Artifact, BuildFailed, Limits, Log, Plan, Source
from runners.base.failures import second_try
from runners.base.folders import (
    Folders,
    artifact_key,
    copy_tree,
    deps_key,
    directory,
    lay_manifests,
    making,
    remove,
)
from runners.base.kept import AGAIN, Kept
from runners.base.tools import in_tree
from runners.isolation import to_end
from runners.process.steps import Box, StepFailed, explain, run, step
from runners.process.toolchain import Toolchain, Tools

MODULES = "node_modules"
# Turbopack refuses links that lead out of the project, so its build gets a copy.
_COPIED = frozenset({"next"})
_PACKAGES = (
    "Debian packages that it wants are not installed without Docker; they are here if this machine has them: {}.\n"
)


class Layers:
    """Makes each layer and each artifact once, however many ask for it at the same time."""

    def __init__(self, folders: Folders, tools: Tools, home_id: str) -> None:
        self._folders, self._tools, self._home_id = folders, tools, home_id
        self._locks: weakref.WeakValueDictionary[Path, asyncio.Lock] = weakref.WeakValueDictionary()

    async def make(self, source: Source, limits: Limits, log: Log) -> Artifact:
        """Raises BuildFailed."""
        toolchain = await self._tools.find(source.plan, log)
        if source.plan.system_packages:
            log.write(_PACKAGES.format(", ".join(sorted({*source.plan.system_packages}))))
        layer = await self._layer(source, toolchain, limits, log)
        files = await self._files(source, toolchain, layer, limits, log)
        artifact = directory(source, files, layer)
        if layer:
            await asyncio.to_thread(_use, layer, artifact)
        return artifact

    async def forget(self, artifact: Artifact) -> None:
        """Remove the files that a build made, and the layer when no other artifact needs it."""
        if artifact.path:
            made = self._own(Path(artifact.path), "artifacts")
            if made:
                await to_end(asyncio.to_thread(remove, made))
        layer = self._own(Path(artifact.deps), "deps") if artifact.deps else None
        if layer:
            async with self._alone(layer):
                await to_end(asyncio.to_thread(_release, layer, artifact))

    def _own(self, path: Path, kind: str) -> Path | None:
        """The folder `<home>/<kind>/<scope>/<key>` at or above a path; None when it lies elsewhere."""
        top = self._folders.home / kind
        if not path.is_relative_to(top) or ".." in path.parts:
            return None
        parts = path.relative_to(top).parts
        return top / parts[0] / parts[1] if len(parts) >= 2 else None

    async def _layer(self, source: Source, toolchain: Toolchain, limits: Limits, log: Log) -> Path | None:
        if in_tree(source.plan) or not (source.plan.install or toolchain.python):
            return None
        key = await asyncio.to_thread(deps_key, source, toolchain.base)
        final = self._folders.deps(source.scope, key)
        async with self._alone(final, log):
            if not final.exists():
                async with _making(final) as part:
                    await self._install(source, toolchain, part, limits, log)
                    await asyncio.to_thread(_settle, part, final)
        return final

    async def _install(self, source: Source, toolchain: Toolchain, part: Path, limits: Limits, log: Log) -> None:
        plan, app, venv = source.plan, part / "app", part / "venv"
        app.mkdir()
        await to_end(asyncio.to_thread(lay_manifests, source, app))
        box = self._box(source, part, app, ".", venv if toolchain.python else None, limits)
        if toolchain.python:
            await step(
                "install", f"uv venv --quiet --relocatable --python {shlex.quote(toolchain.python)} ../venv", box, log
            )
        for line in plan.install:
            await _install_line(line, box, log)
        await to_end(asyncio.to_thread(_drop_private, part))

    async def _files(self, source: Source, toolchain: Toolchain, layer: Path | None, limits: Limits, log: Log) -> Path:
        plan = source.plan
        if plan.build is None and not in_tree(plan):
            tree = source.path.absolute()
            return output(tree, plan) if plan.kind == "static" else tree
        beneath = layer.name if layer else toolchain.base if in_tree(plan) else None
        final = self._folders.artifact(source.scope, artifact_key(source, beneath))
        async with self._alone(final, log):
            if not final.exists():
                await self._made(source, layer, final, limits, log)
        return final / "files"

    async def _made(self, source: Source, layer: Path | None, final: Path, limits: Limits, log: Log) -> None:
        """Build, and once more from nothing when it fails with what an earlier build kept."""
        kept = Kept(self._folders, source)
        try:
            async with _making(final) as part:
                await self._build(source, layer, part, kept, limits, log)
        except BuildFailed as failed:
            if not kept.spoiled(failed):
                raise
            log.write(AGAIN)
            async with _making(final) as part:
                await self._build(source, layer, part, kept, limits, log)

    async def _build(
        self, source: Source, layer: Path | None, part: Path, kept: Kept, limits: Limits, log: Log
    ) -> None:
        plan, work = source.plan, part / "work"
        venv = layer / "venv" if layer and plan.language == "python" else None
        places = {name: work / plan.root / name for name in kept.names}
        await to_end(asyncio.to_thread(_lay_work, source, layer, work))
        await to_end(asyncio.to_thread(kept.give, places, work))
        box = self._box(source, part, work, plan.root, venv, limits)
        for line in in_tree(plan):
            await step("install", line, box, log)
        if plan.build:
            await step("build", plan.build, box, log)
        await to_end(asyncio.to_thread(kept.take, places, work, log))
        await to_end(asyncio.to_thread(_keep, plan, work, part, layer is not None))

    def _box(self, source: Source, part: Path, top: Path, cwd: str, venv: Path | None, limits: Limits) -> Box:
        return Box(
            home_id=self._home_id,
            top=top,
            cwd=cwd,
            folder=part,
            path=self._tools.path(venv, top / cwd),
            env={**self._tools.building(source.plan, source.scope, venv), **source.plan.env},
            limits=limits,
        )

    @contextlib.asynccontextmanager
    async def _alone(self, folder: Path, log: Log | None = None) -> AsyncIterator[None]:
        """One at a time makes a folder; who waited finds it there, or, when the first gave up, makes it."""
        lock = self._locks.setdefault(folder, asyncio.Lock())
        if lock.locked() and log:
            log.write("Waiting: the same is being made for another deployment.\n")
        async with lock:
            yield


def output(tree: Path, plan: Plan) -> Path:
    """The folder that is served.  Raises BuildFailed when it is not there, or leads out of the tree."""
    name = plan.static_dir or "."
    root = tree / plan.root
    folder = (root / name).resolve()
    if not folder.is_relative_to(tree.resolve()):
        raise BuildFailed(f"The output folder {name} leads out of the project.", step="build")
    if not folder.is_dir():
        there = sorted(each.name for each in root.iterdir() if each.is_dir() and each.name != MODULES)
        raise BuildFailed(
            f"The output folder {name} is not there.",
            step="build",
            hint=f"The folders that are: {', '.join(there)}." if there else "No folder was made.",
        )
    return root / name


def attach(layer: Path, root: Path, *, whole: bool) -> None:
    """Put a layer's node_modules into a private copy of the tree: a folder of links, so that what tools write beside
    the packages stays private.  `whole`: the install step saw the whole tree, so all that it made comes along."""
    if whole:
        for entry in (layer / "app").iterdir():
            if entry.name != MODULES:
                _copy(entry, root / entry.name)
    modules = layer / "app" / MODULES
    if modules.is_dir():
        remove(root / MODULES)
        _link_all(modules, root / MODULES)


def _link_all(modules: Path, into: Path) -> None:
    into.mkdir()
    for entry in modules.iterdir():
        target = into / entry.name
        if entry.is_symlink():  # a workspace's own package: the copy's, not the layer's
            target.symlink_to(entry.readlink())
        elif entry.name.startswith("@"):
            _link_all(entry, target)
        else:
            target.symlink_to(entry)


def _copy(entry: Path, target: Path) -> None:
    if entry.is_symlink():
        remove(target)
        target.symlink_to(entry.readlink())
    elif entry.is_dir():
        copy_tree(entry, target)
    else:
        remove(target)
        target.write_bytes(entry.read_bytes())
        target.chmod(entry.stat().st_mode)


async def _install_line(line: str, box: Box, log: Log) -> None:
    try:
        await run(line, box, log)
    except StepFailed as failed:
        other = second_try(line, failed.tail)
        if not other:
            raise explain("install", line, failed, box) from None
        log.write(f"The lock file does not fit; trying without it: {other}\n")
        await step("install", other, box, log)


def _lay_work(source: Source, layer: Path | None, work: Path) -> None:
    copy_tree(source.path, work)
    if not layer or source.plan.language != "node":
        return
    root = work / source.plan.root
    attach(layer, root, whole=source.plan.install_in_tree)
    modules = layer / "app" / MODULES
    if source.plan.framework in _COPIED and modules.is_dir():
        remove(root / MODULES)
        copy_tree(modules, root / MODULES)


def _keep(plan: Plan, work: Path, part: Path, attached: bool) -> None:
    """Leave of a finished build what is needed to serve or run it."""
    if attached and plan.language == "node":
        remove(work / plan.root / MODULES)
    if plan.kind == "static":
        output(work, plan).resolve().rename(part / "files")
        remove(work)
    else:
        work.rename(part / "files")
    _drop_private(part)


def _drop_private(part: Path) -> None:
    for name in ("home", "tmp"):
        remove(part / name)


def _settle(part: Path, final: Path) -> None:
    """Correct the few places where installers write down where they are (editable installs, scripts made by pip)."""
    old, new = str(part).encode(), str(final).encode()
    for path in _told_places(part / "venv"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1024 * 1024:
            content = path.read_bytes()
            if old in content:
                path.write_bytes(content.replace(old, new))


def _told_places(venv: Path) -> Iterable[Path]:
    packages = "lib/python*/site-packages"
    for pattern in (
        "bin/*",
        f"{packages}/*.pth",
        f"{packages}/__editable__*",
        f"{packages}/*.dist-info/direct_url.json",
    ):
        yield from venv.glob(pattern)


def _use(layer: Path, artifact: Artifact) -> None:
    uses = layer / "uses"
    uses.mkdir(exist_ok=True)
    (uses / artifact.digest.rpartition(":")[2]).touch()


def _release(layer: Path, artifact: Artifact) -> None:
    uses = layer / "uses"
    (uses / artifact.digest.rpartition(":")[2]).unlink(missing_ok=True)
    if not uses.is_dir() or not any(uses.iterdir()):
        remove(layer)


@contextlib.asynccontextmanager
async def _making(final: Path) -> AsyncIterator[Path]:
    """`making`, whose clearing up does not hold up everybody else."""
    made = making(final)
    part = made.__enter__()
    try:
        yield part
    except BaseException as error:
        await to_end(asyncio.to_thread(made.__exit__, type(error), error, error.__traceback__))
        raise
    await to_end(asyncio.to_thread(made.__exit__, None, None, None))
