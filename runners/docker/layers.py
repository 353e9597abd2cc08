"""The parts of an artifact that are made in boxes: the dependency layer, and what a build step leaves.

    deps/<scope>/<key>/app           the manifests (or the whole tree), with node_modules beside them
    deps/<scope>/<key>/venv          Python's environment
    deps/<scope>/<key>/uses          one empty file for each artifact that needs the layer
    artifacts/<scope>/<key>/tree     a built tree that is run
    artifacts/<scope>/<key>/modules  what its build changed in node_modules
    artifacts/<scope>/<key>/site     a built site that is served

Boxes and instances see the same places: the layer at /deps (virtual environments insist on theirs), the tree at
/app, the layer's node_modules in it.
"""

from __future__ import annotations

import dataclasses
import posixpath
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runners.base import Artifact, BuildFailed, Limits, Log, Plan, Source
from runners.base.failures import locate, second_try
from runners.base.folders import Folders, artifact_key, copy_tree, deps_key, directory, lay_manifests, making, remove
from runners.base.kept import AGAIN, Kept
from runners.base.tools import in_tree
from runners.docker.box import Box
from runners.docker.engine import Engine
from runners.docker.flights import Flights
from runners.docker.follow import Tail, run
from runners.docker.mounts import Overlay, Overlays, bind
from runners.docker.places import APP, CACHES, DEPS, DEPS_APP, MODULES, NODE_MODULES, building, trusting
from runners.isolation import to_end

# What tools keep in node_modules for themselves: nobody needs it at run time.
_PRIVATE = frozenset({".cache", ".vite", ".vite-temp", ".package-lock.json"})


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """Where a step's lines run."""

    name: str
    image: str
    source: Source
    mounts: Sequence[Any]
    top: str  # the tree, or what stands for it
    cwd: str  # relative to it
    limits: Limits


class Layers:
    """Makes what `DockerRunner.build` needs, each once."""

    def __init__(self, engine: Engine, folders: Folders, overlays: Overlays, certificates: Path | None) -> None:
        self._engine, self._folders, self._overlays, self._certificates = engine, folders, overlays, certificates
        self._flights: Flights[None] = Flights()

    async def make(self, source: Source, image: str, limits: Limits, log: Log) -> Artifact:
        """The artifact of a plan that runs from, or serves, a directory.  Raises BuildFailed."""
        plan = source.plan
        deps = await self._dependencies(source, image, limits, log) if plan.install and not in_tree(plan) else None
        if plan.build or in_tree(plan) or (deps and _is_workspace(plan)):
            files = await self._built(source, image, deps, limits, log)
        else:
            files = _output(source.path, plan) if plan.kind == "static" else source.path
        artifact = directory(source, files.absolute(), deps)
        if deps:
            await self._engine.thread(_use, deps, artifact)
        return artifact

    async def forget(self, artifact: Artifact) -> None:
        """Remove what a build made, and the layer when no other artifact needs it; trees are not ours."""
        made = self._own(artifact.path, "artifacts")
        if made:
            await to_end(self._engine.thread(remove, made))
        layer = self._own(artifact.deps, "deps")
        if layer:
            await to_end(self._engine.thread(_release, layer, artifact))

    def _own(self, path: str | None, kind: str) -> Path | None:
        """The folder `<home>/<kind>/<scope>/<key>` at or above a path; None when it lies elsewhere."""
        top = self._folders.home / kind
        if not path or not Path(path).is_relative_to(top) or ".." in Path(path).parts:
            return None
        parts = Path(path).relative_to(top).parts
        return top.joinpath(*parts[:2]) if len(parts) >= 2 else None

    async def _dependencies(self, source: Source, image: str, limits: Limits, log: Log) -> Path:
        final = self._folders.deps(source.scope, await self._engine.thread(deps_key, source, image))

        async def install(log: Log) -> None:
            with making(final) as part:
                await self._install(source, image, part, limits, log)

        if not final.exists():
            await self._flights.join(str(final), install, log)
        return final

    async def _install(self, source: Source, image: str, part: Path, limits: Limits, log: Log) -> None:
        plan, app = source.plan, part / "app"
        app.mkdir()
        await to_end(self._engine.thread(lay_manifests, source, app))
        await self._engine.give(part)
        mounts = [bind(part, DEPS, read_only=False), *await self._tools(source)]
        step = _Step("install", image, source, mounts, DEPS_APP, ".", limits)
        tail = Tail(log)
        try:
            await self._run(step, plan.install, tail)
        except BuildFailed:
            others = [second_try(line, tail.text) or line for line in plan.install]
            if others == list(plan.install):
                raise
            log.write("The lock file does not fit; trying without it.\n")
            await self._run(step, others, log)
        if plan.language == "node":
            (app / NODE_MODULES).mkdir(exist_ok=True)

    async def _built(self, source: Source, image: str, deps: Path | None, limits: Limits, log: Log) -> Path:
        final = self._folders.artifact(
            source.scope, artifact_key(source, deps.name if deps else image if in_tree(source.plan) else None)
        )

        async def build(log: Log) -> None:
            kept = Kept(self._folders, source)
            try:
                with making(final) as part:
                    await self._build(source, image, deps, part, kept, limits, log)
            except BuildFailed as failed:
                if not kept.spoiled(failed):
                    raise
                log.write(AGAIN)
                with making(final) as part:
                    await self._build(source, image, deps, part, kept, limits, log)

        if not final.exists():
            await self._flights.join(str(final), build, log)
        return final / ("site" if source.plan.kind == "static" else "tree")

    async def _build(
        self, source: Source, image: str, deps: Path | None, part: Path, kept: Kept, limits: Limits, log: Log
    ) -> None:
        plan, work = source.plan, part / "tree"
        whole = deps / "app" if deps and _is_workspace(plan) else None
        await to_end(self._engine.thread(_lay, source, whole, work))
        mounts = [bind(work, APP, read_only=False), *await self._tools(source)]
        if deps:
            mounts.append(bind(deps, DEPS))
        if deps and not whole:
            mounts += await self._modules(source, image, deps, part)
        places = _places(kept, work / plan.root, part / MODULES)
        if await to_end(self._engine.thread(kept.give, places, part)) and (part / MODULES).exists():
            await self._engine.give(part / MODULES)
        await self._engine.give(work)
        if in_tree(plan):
            await self._run(_Step("install", image, source, mounts, APP, plan.root, limits), in_tree(plan), log)
        if plan.build:
            await self._run(_Step("build", image, source, mounts, APP, plan.root, limits), [plan.build], log)
            await to_end(self._engine.thread(kept.take, places, part, log))
        await to_end(self._engine.thread(_keep, plan, work, part))

    async def _modules(self, source: Source, image: str, deps: Path, part: Path) -> Sequence[Any]:
        """Let the build change node_modules without changing the layer."""
        modules, own = deps / "app" / NODE_MODULES, part / MODULES
        target = posixpath.join(APP, source.plan.root, NODE_MODULES)
        if not modules.is_dir():
            return ()
        (part / "tree" / source.plan.root / NODE_MODULES).mkdir(exist_ok=True)
        if not await self._overlays.work(image):
            await to_end(self._engine.thread(copy_tree, modules, own))
            await self._engine.give(own)
            return [bind(own, target, read_only=False)]
        overlay = Overlay(target, (modules,), own)
        overlay.upper.mkdir()
        overlay.work.mkdir()
        await self._engine.give(overlay.upper)
        return [overlay.mount(self._engine)]

    async def _tools(self, source: Source) -> list[Any]:
        cache = self._folders.cache(source.scope, "docker")
        if not cache.exists():
            cache.mkdir(parents=True, exist_ok=True)
            await self._engine.give(cache)
        mounts = [bind(cache, CACHES, read_only=False), *trusting(self._certificates)]
        if source.plan.language == "python" and sys.platform == "linux":
            mounts.append(bind(_uv(), "/usr/local/bin/uv"))
        return mounts

    async def _run(self, step: _Step, lines: Sequence[str], log: Log) -> None:
        """Run command lines in a box, each shown before it runs.  Raises BuildFailed."""
        name, plan = self._engine.new_name("build"), step.source.plan
        box = Box(
            name=f"{self._engine.prefix}-{name}",
            kind="build",
            deployment=name,
            image=step.image,
            entrypoint=["/bin/sh"],  # images of tools have their own
            command=["-c", _script(plan, step, lines)],
            env=building(plan, posixpath.join(step.top, step.cwd), self._certificates),
            mounts=step.mounts,
            folder=posixpath.normpath(posixpath.join(step.top, step.cwd)),
            user=await self._engine.user(),
            limits=step.limits,
            memory_tmp=False,
        )
        tail = Tail(log)
        status, starved = await run(self._engine, box, tail)
        if starved:
            raise BuildFailed(
                f"{step.name} ran out of memory ({step.limits.memory // 2**20} MB)",
                step=step.name,
                hint="Make it need less, or raise SLIPWAY_BUILD_MEMORY_MB.",
            )
        if status:
            raise _explain(step, status, lines, tail.text)


def _explain(step: _Step, status: int, lines: Sequence[str], text: str) -> BuildFailed:
    """What a person needs to know of a step that failed; paths as seen from the tree."""
    told = f"{step.name} ended with exit code {status}"
    fault = locate(text, top=(step.top,), cwd=step.cwd)
    if fault is None:
        return BuildFailed(f"{told}: {'; '.join(lines)}", step=step.name, hint="The end of the log says more.")
    above = step.source.plan.root if step.top == DEPS_APP else "."
    path = posixpath.normpath(posixpath.join(above, fault.path)) if fault.path else None
    return BuildFailed(f"{told}: {fault.message}", step=step.name, hint=fault.hint, path=path, line=fault.line)


def _script(plan: Plan, step: _Step, lines: Sequence[str]) -> str:
    """Each line in a shell of its own; the first that fails ends it."""
    script = []
    if step.name == "install" and plan.language == "python":
        script.append(
            f'if command -v uv >/dev/null; then uv venv --quiet --clear --python "$(command -v python3)" {DEPS}/venv; '
            f"else python3 -m venv {DEPS}/venv && {DEPS}/venv/bin/pip install --quiet uv; fi || exit $?"
        )
    script += [f"echo {shlex.quote('$ ' + line)}\n/bin/sh -c {shlex.quote(line)} || exit $?" for line in lines]
    return "\n".join(script)


def _uv() -> Path:
    import uv

    return Path(uv.find_uv_bin()).resolve()


def _is_workspace(plan: Plan) -> bool:
    """Node modules may lie in many folders then, and link to the tree: all that the install step made comes along."""
    return plan.language == "node" and plan.install_in_tree


def _places(kept: Kept, root: Path, modules: Path) -> dict[str, Path]:
    """Where the build finds its folders: those below node_modules in what is laid over it, when something is."""
    inside = f"{NODE_MODULES}/"
    moved = modules.exists()
    return {
        name: modules / name.removeprefix(inside) if moved and name.startswith(inside) else root / name
        for name in kept.names
    }


def _lay(source: Source, whole: Path | None, work: Path) -> None:
    copy_tree(source.path, work)
    if whole:
        remove(work / source.plan.root / NODE_MODULES)
        copy_tree(whole, work / source.plan.root)


def _keep(plan: Plan, work: Path, part: Path) -> None:
    """Leave of a finished build what is needed to serve or run it."""
    remove(part / f"{MODULES}-work")
    modules = part / MODULES
    if plan.kind == "static":
        _output(work, plan).resolve().rename(part / "site")
        remove(work)
        remove(modules)
    elif modules.exists() and {each.name for each in modules.iterdir()} <= _PRIVATE:
        remove(modules)


def _output(tree: Path, plan: Plan) -> Path:
    """The folder that is served.  Raises BuildFailed when it is not there, or leads out of the tree."""
    name, root = plan.static_dir or ".", tree / plan.root
    folder = (root / name).resolve()
    if not folder.is_relative_to(tree.resolve()):
        raise BuildFailed(f"The output folder {name} leads out of the project.", step="build")
    if not folder.is_dir():
        there = sorted(each.name for each in root.iterdir() if each.is_dir() and each.name != NODE_MODULES)
        hint = f"The folders that are: {', '.join(there)}." if there else "No folder was made."
        raise BuildFailed(f"The output folder {name} is not there.", step="build", hint=hint)
    return root / name


def _use(layer: Path, artifact: Artifact) -> None:
    (layer / "uses").mkdir(exist_ok=True)
    (layer / "uses" / artifact.digest.rpartition(":")[2]).touch()


def _release(layer: Path, artifact: Artifact) -> None:
    uses = layer / "uses"
    (uses / artifact.digest.rpartition(":")[2]).unlink(missing_ok=True)
    if not uses.is_dir() or not any(uses.iterdir()):
        remove(layer)
