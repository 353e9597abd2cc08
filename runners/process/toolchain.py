"""The interpreters of this machine that projects are built and run with, and what such a project's environment is."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import uv

from runners.base import BuildFailed, Log, Plan
from runners.base.folders import Folders
from runners.base.tools import DOWNLOADS, QUIET, maven

_ANYWHERE = frozenset({"static", "procfile"})  # what needs no tool of its own
# The programs that a language needs; those of its install and build lines come to them.
_PROGRAMS: Mapping[str, str] = {
    "go": "go",
    "rust": "cargo",
    "ruby": "ruby",
    "php": "php",
    "java": "java",
    "dotnet": "dotnet",
    "elixir": "mix",
    "deno": "deno",
    "gleam": "gleam",
    "dart": "dart",
    "swift": "swift",
    "crystal": "crystal",
    "scala": "sbt",
    "clojure": "lein",
    "haskell": "stack",
    "zig": "zig",
}
_TOOLS = frozenset({"composer", "bundle", "mvn", "gradle", "hugo", "zola", "mdbook", "npm", "gem", "javac", "flutter"})
_TRUST = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
_VERSION = re.compile(r"[\d.,<>=!~*^ ]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Toolchain:
    """What a plan is built with.  `base` names it in the key of a dependency layer."""

    base: str
    python: str = ""  # path of the interpreter that virtual environments are made from


class Tools:
    """Finds interpreters, and says what commands of a project see."""

    def __init__(self, folders: Folders, certificates: Path | None) -> None:
        self._folders = folders
        self._certificates = certificates.resolve() if certificates else None
        self.bin = folders.home / "tools"  # of our own tools only uv is for projects

    async def find(self, plan: Plan, log: Log) -> Toolchain:
        """The toolchain for a plan.  Raises BuildFailed when this machine can't build it."""
        if plan.language not in {"python", "node", *_ANYWHERE, *_PROGRAMS}:
            named = "has a Dockerfile" if plan.language == "docker" else f"is written in {plan.language}"
            raise BuildFailed(
                f"This project {named}, which can't be built here without Docker.",
                step="build",
                hint="It needs the Docker backend: install Docker on the machine that runs Slipway.",
            )
        if plan.language in _PROGRAMS or (plan.language == "static" and plan.build):
            return await asyncio.to_thread(_programs, plan)
        if plan.language == "node":
            return await asyncio.to_thread(_node)
        if plan.language == "python":
            return await asyncio.to_thread(_python, plan.version, log)
        return Toolchain(platform.machine())

    def path(self, venv: Path | None, root: Path) -> str:
        """PATH: the project's own programs, uv, then what this machine has, without our own virtual environment."""
        mine = str(Path(sys.prefix, "bin"))
        rest = [each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if each and each != mine]
        first = [venv / "bin"] if venv else []
        return os.pathsep.join(map(str, [*first, root / "node_modules" / ".bin", self.bin, *rest]))

    def lay_out(self) -> None:
        """Make the folder that puts uv on PATH, and nothing else that stands beside it in our environment."""
        self.bin.mkdir(parents=True, exist_ok=True)
        link, target = self.bin / "uv", Path(uv.find_uv_bin()).resolve()
        if not link.exists() or link.resolve() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def running(self, venv: Path | None) -> dict[str, str]:
        """What a program sees beside its own environment."""
        seen = {"VIRTUAL_ENV": str(venv), "PYTHONUNBUFFERED": "1"} if venv else {}
        trusted = dict.fromkeys(_TRUST, str(self._certificates)) if self._certificates else {}
        return {**seen, **trusted}

    def building(self, plan: Plan, scope: str, venv: Path | None) -> Mapping[str, str]:
        """What install and build steps see beside the plan's environment."""
        cache = self._folders.cache
        return {
            "NO_COLOR": "1",
            "UV_CACHE_DIR": str(cache(scope, "uv")),
            "UV_LINK_MODE": "clone" if sys.platform == "darwin" else "hardlink",
            "UV_COMPILE_BYTECODE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_PROJECT_ENVIRONMENT": str(venv or ""),
            "PIP_CACHE_DIR": str(cache(scope, "pip")),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "npm_config_cache": str(cache(scope, "npm")),
            "npm_config_update_notifier": "false",
            "npm_config_fund": "false",
            "npm_config_audit": "false",
            # npm complains about words that only pnpm knows.
            **({"npm_config_store_dir": str(cache(scope, "pnpm"))} if plan.package_manager == "pnpm" else {}),
            "YARN_CACHE_FOLDER": str(cache(scope, "yarn")),
            "COREPACK_HOME": str(cache(scope, "corepack")),
            "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
            "NEXT_TELEMETRY_DISABLED": "1",
            **QUIET,
            **{name: str(cache(scope, folder)) for name, folder in DOWNLOADS.items()},
            **maven(str(cache(scope, "maven"))),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup"),
            **self.running(venv),
        }


def _programs(plan: Plan) -> Toolchain:
    """Whatever the plan's lines call, from this machine's PATH."""
    words = {word for line in (*plan.install, plan.build or "") for word in re.split(r"[\s;&|]+", line)}
    needed = sorted({*([_PROGRAMS[plan.language]] if plan.language in _PROGRAMS else []), *(words & _TOOLS)})
    found = {name: shutil.which(name) for name in needed}
    for name, path in found.items():
        if path is None:
            raise BuildFailed(
                f"This project needs {name}, which is not on the machine that runs Slipway.",
                step="build",
                hint=f"Install {name} there, or Docker: its images have it.",
            )
    told = [f"{name} {Path(path or '').stat().st_mtime_ns}" for name, path in found.items()]
    return Toolchain(" ".join([*told, platform.machine()]))


def _python(wanted: str | None, log: Log) -> Toolchain:
    found = _interpreter(wanted) if wanted and _VERSION.fullmatch(wanted) else None
    if wanted and not found:
        log.write(f"Python {wanted} is not on this machine: {platform.python_version()} is used instead.\n")
    path, version = found or (sys.executable, platform.python_version())
    return Toolchain(f"python {version} {platform.machine()} {path}", path)


@functools.cache
def _interpreter(wanted: str) -> tuple[str, str] | None:
    """An interpreter of that version, and what it says it is."""
    ours = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "UV_PYTHON")}
    found = subprocess.run(
        [uv.find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", "--system", "--", wanted],
        capture_output=True,
        text=True,
        check=False,
        env=ours,
        cwd="/",
    )
    if found.returncode:
        return None
    path = found.stdout.strip()
    told = subprocess.run(
        [path, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=False
    )
    return path, told.stdout.strip()


@functools.cache
def _node() -> Toolchain:
    node = shutil.which("node")
    if not node:
        raise BuildFailed(
            "This project needs Node.js, which is not on the machine that runs Slipway.",
            step="build",
            hint="Install Node.js there, or Docker.",
        )
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return Toolchain(f"node {told.stdout.strip()} {platform.machine()}")
