"""The parts of an artifact that are made in boxes: the dependency layer, and what a build step leaves.

Both see the same places as the finished instance will: dependencies at /deps (which virtual environments insist
on), the tree at /app, `node_modules` inside it.
"""

from __future__ import annotations

import posixpath
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runners.base import Artifact, BuildFailed, Limits, Log, Plan, Source
from runners.base.failures import locate, second_try
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
from runners.docker.engine import Box, Engine
from runners.docker.flights import Flights
from runners.docker.mounts import Overlay, Overlays, bind

APP, DEPS, CACHES, CERTIFICATES = "/app", "/deps", "/caches", "/slipway/certificates.pem"
PATH = f"{DEPS}/venv/bin:{APP}/node_modules/.bin:{DEPS}/node_modules/.bin:" + (
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)
MODULES = "modules"  # beside a built tree: what its build changed in node_modules
_CACHES_ONLY = frozenset({".cache", ".vite", ".vite-temp", ".package-lock.json"})  # changes nobody needs at run time
_TRUST = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")


class Layers:
    """Makes what `DockerRunner.build` needs, each once."""

    def __init__(self, engine: Engine, folders: Folders, overlays: Overlays, certificates: Path | None) -> None:
        self._engine, self._folders, self._overlays = engine, folders, overlays
        self._certificates = certificates.resolve() if certificates else None
        self._flights: Flights[None] = Flights()

    async def make(self, source: Source, image: str, limits: Limits, log: Log) -> Artifact:
        """The artifact of a plan that runs from, or serves, a directory.  Raises BuildFailed."""
        deps = await self._dependencies(source, image, limits, log) if source.plan.install else None
        tree = source.path / source.plan.root
        if deps and _runs_in_layer(source.plan):
            tree = deps
        if source.plan.build:
            tree = await self._built(source, image, tree, deps, limits, log)
        elif source.plan.kind == "static":
            tree = _output(tree, source.plan)
        return directory(source, tree, deps)

    async def _dependencies(self, source: Source, image: str, limits: Limits, log: Log) -> Path:
        final = self._folders.deps(source.scope, deps_key(source, image)).absolute()

        async def install(log: Log) -> None:
            with making(final) as part:
                await self._install(source, image, part, limits, log)

        if not final.exists():
            await self._flights.join(str(final), install, log)
        return final

    async def _install(self, source: Source, image: str, part: Path, limits: Limits, log: Log) -> None:
        plan = source.plan
        await self._engine.thread(lay_manifests, source, part)
        await self._engine.give(part)
        lines = [*_prepare(plan), *plan.install]
        mounts = [bind(part, DEPS, read_only=False), *await self._tools(source)]
        tail = Tail(log)
        try:
            await self._steps("install", source, image, lines, mounts, DEPS, limits, tail)
        except BuildFailed:
            again = [second_try(line, tail.text) or line for line in lines]
            if again == lines:
                raise
            log.write("the lock file does not fit package.json; installing without it\n")
            await self._steps("install", source, image, again, mounts, DEPS, limits, log)
        if plan.language == "node":
            (part / "node_modules").mkdir(exist_ok=True)

    async def _built(self, source: Source, image: str, tree: Path, deps: Path | None, limits: Limits, log: Log) -> Path:
        plan = source.plan
        final = self._folders.artifact(source.scope, artifact_key(source, deps.name if deps else None)).absolute()

        async def build(log: Log) -> None:
            with making(final) as part:
                await self._build(source, image, tree, deps, part, limits, log)

        if not final.exists():
            await self._flights.join(str(final), build, log)
        return final / ("site" if plan.kind == "static" else "tree")

    async def _build(
        self, source: Source, image: str, tree: Path, deps: Path | None, part: Path, limits: Limits, log: Log
    ) -> None:
        plan, work = source.plan, part / "tree"
        await self._engine.thread(copy_tree, tree, work)
        mounts = [bind(work, APP, read_only=False), *await self._tools(source)]
        if deps:
            mounts.append(bind(deps, DEPS))
            mounts += await self._modules(image, deps, work, part)
        await self._engine.give(work)
        await self._steps("build", source, image, [plan.build or ""], mounts, APP, limits, log)
        await self._engine.thread(_keep, plan, work, part)

    async def _modules(self, image: str, deps: Path, work: Path, part: Path) -> Sequence[Any]:
        """Let the build change node_modules without changing the layer."""
        modules, place = deps / "node_modules", work / "node_modules"
        if not modules.is_dir() or place.is_dir():
            return ()
        if not await self._overlays.work(image):
            await self._engine.thread(copy_tree, modules, place)
            return ()
        place.mkdir()
        overlay = Overlay(f"{APP}/node_modules", (modules,), part / MODULES)
        overlay.upper.mkdir()
        overlay.work.mkdir()
        await self._engine.give(overlay.upper)
        return [overlay.mount(self._engine)]

    async def _tools(self, source: Source) -> list[Any]:
        cache = self._folders.cache(source.scope, "docker").absolute()
        if not cache.exists():
            cache.mkdir(parents=True, exist_ok=True)
            await self._engine.give(cache)
        mounts = [bind(cache, CACHES, read_only=False)]
        if source.plan.language == "python" and sys.platform == "linux":
            mounts.append(bind(_uv(), "/usr/local/bin/uv"))
        if self._certificates:
            mounts.append(bind(self._certificates, CERTIFICATES))
        return mounts

    async def _steps(
        self,
        step: str,
        source: Source,
        image: str,
        lines: Sequence[str],
        mounts: Sequence[Any],
        folder: str,
        limits: Limits,
        log: Log,
    ) -> None:
        name = self._engine.new_name("build")
        box = Box(
            name=f"{self._engine.prefix}-{name}",
            kind="build",
            deployment=name,
            image=image,
            command=["/bin/sh", "-c", _script(lines)],
            env=self._environment(source.plan),
            mounts=mounts,
            folder=folder,
            user=await self._engine.user(),
            limits=limits,
            memory_tmp=False,
        )
        tail = Tail(log)
        status, starved = await self._engine.run(box, tail)
        if status:
            raise build_failed(step, status, starved, tail.text, limits, source.plan.root)

    def _environment(self, plan: Plan) -> dict[str, str]:
        """What install and build see: the plan's words and where things lie; nothing of ours, no secret."""
        env = {
            "PATH": PATH,
            "HOME": "/tmp",  # noqa: S108
            "UV_CACHE_DIR": f"{CACHES}/uv",
            "UV_LINK_MODE": "copy",
            "UV_COMPILE_BYTECODE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PROJECT_ENVIRONMENT": f"{DEPS}/venv",
            "UV_NO_PROGRESS": "1",
            "PIP_CACHE_DIR": f"{CACHES}/pip",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "npm_config_cache": f"{CACHES}/npm",
            "npm_config_update_notifier": "false",
            "npm_config_fund": "false",
            "npm_config_store_dir": f"{CACHES}/pnpm",
            "YARN_CACHE_FOLDER": f"{CACHES}/yarn",
            "COREPACK_HOME": f"{CACHES}/corepack",
            "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
            "NEXT_TELEMETRY_DISABLED": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if plan.language == "python":
            env["VIRTUAL_ENV"] = f"{DEPS}/venv"
        if self._certificates:
            env |= dict.fromkeys(_TRUST, CERTIFICATES)
        return env | dict(plan.env)


class Tail:
    """Passes on to a log and remembers the end."""

    def __init__(self, log: Log, size: int = 64 * 1024) -> None:
        self._log, self._size, self.text = log, size, ""

    def write(self, text: str) -> None:
        self._log.write(text)
        self.text = (self.text + text)[-self._size :]


def build_failed(step: str, status: int, starved: bool, text: str, limits: Limits, root: str) -> BuildFailed:
    """What a person needs to know of a step that ended badly."""
    if starved:
        return BuildFailed(
            f"{step} ran out of memory ({limits.memory // 2**20} MB)",
            step=step,
            hint="Make it need less, or give builds more with SLIPWAY_BUILD_MEMORY_MB.",
        )
    message = f"{step} ended with exit status {status}"
    fault = locate(text, top=(APP, DEPS))
    if fault is None:
        return BuildFailed(message, step=step)
    return BuildFailed(
        f"{message}: {fault.message}", step=step, hint=fault.hint, path=inside(root, fault.path), line=fault.line
    )


def inside(root: str, path: str | None) -> str | None:
    """A path below a plan's root, as seen from the tree."""
    return posixpath.normpath(posixpath.join(root, path)) if path else None


def _uv() -> Path:
    import uv

    return Path(uv.find_uv_bin()).resolve()


def _runs_in_layer(plan: Plan) -> bool:
    """Workspaces have node_modules in many folders: the layer is then the tree itself."""
    return plan.language == "node" and plan.install_in_tree


def _prepare(plan: Plan) -> Sequence[str]:
    if plan.language != "python":
        return ()
    return (
        f'if command -v uv >/dev/null; then uv venv --quiet --python "$(command -v python3)" {DEPS}/venv; '
        f"else python3 -m venv {DEPS}/venv && {DEPS}/venv/bin/pip install --quiet uv; fi",
    )


def _script(lines: Sequence[str]) -> str:
    """Each line in a shell of its own, shown before it runs; the first that fails ends it."""
    shown = [f"echo {shlex.quote('$ ' + line)}\n/bin/sh -c {shlex.quote(line)} || exit $?" for line in lines]
    return "\n".join(shown)


def _keep(plan: Plan, work: Path, part: Path) -> None:
    """Leave of a finished build what is needed to serve or run it."""
    remove(part / f"{MODULES}-work")
    modules = part / MODULES
    if plan.kind == "static":
        _output(work, plan).rename(part / "site")
        remove(work)
        remove(modules)
    elif modules.exists() and {each.name for each in modules.iterdir()} <= _CACHES_ONLY:
        remove(modules)


def _output(tree: Path, plan: Plan) -> Path:
    """The folder that is served.  Raises BuildFailed when it is not there, or leads out of the tree."""
    name = plan.static_dir or "."
    folder = (tree / name).resolve()
    if not folder.is_relative_to(tree.resolve()):
        raise BuildFailed(f"the output folder {name} leads out of the project", step="build", path=name)
    if not folder.is_dir():
        made = ", ".join(sorted(each.name for each in tree.iterdir() if each.is_dir() and each.name != "node_modules"))
        raise BuildFailed(
            f"the output folder {name} was not made",
            step="build",
            hint=f"The folders that are there: {made or 'none'}.",
            path=name,
        )
    return folder
