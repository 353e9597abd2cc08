"""Where things lie in our boxes and instances, and what is told of it through the environment."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from runners.base import Artifact, Launch, Plan
from runners.base.tools import DOWNLOADS, QUIET, maven
from runners.docker.mounts import bind

APP, DEPS, CACHES = "/app", "/deps", "/caches"
DEPS_APP = f"{DEPS}/app"  # the manifests, with what was installed beside them
NODE_MODULES = "node_modules"
MODULES = "modules"  # beside a built tree: what its build changed in node_modules
PORT = 8080  # what programs are asked to listen on
_CERTIFICATES = "/etc/slipway-certificates.pem"
_PATH = ":".join(
    (
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        # Where official images put their tools; what is not there is passed over.
        "/usr/local/go/bin:/usr/local/cargo/bin:/opt/java/openjdk/bin:/opt/gradle/bin:/usr/lib/dart/bin",
    )
)
_TRUST = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")


def trusting(certificates: Path | None) -> list[Any]:
    """The mount of a bundle of certificates."""
    return [bind(certificates, _CERTIFICATES)] if certificates else []


def building(plan: Plan, folder: str, certificates: Path | None) -> dict[str, str]:
    """What install and build steps see: where things lie, the plan's own words; nothing of ours, no secret."""
    return {
        **_common(folder, certificates, venv=plan.language == "python"),
        "NO_COLOR": "1",
        "UV_CACHE_DIR": f"{CACHES}/uv",
        "UV_LINK_MODE": "copy",  # caches and layers are different mounts
        "UV_COMPILE_BYTECODE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": f"{DEPS}/venv",
        "PIP_CACHE_DIR": f"{CACHES}/pip",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_cache": f"{CACHES}/npm",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        "XDG_CACHE_HOME": f"{CACHES}/xdg",
        "XDG_DATA_HOME": f"{CACHES}/xdg",  # pnpm's store
        "BUN_INSTALL_CACHE_DIR": f"{CACHES}/bun",
        "YARN_CACHE_FOLDER": f"{CACHES}/yarn",
        "COREPACK_HOME": f"{CACHES}/corepack",
        "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
        "NEXT_TELEMETRY_DISABLED": "1",
        **QUIET,
        **{name: f"{CACHES}/{folder}" for name, folder in DOWNLOADS.items()},
        **maven(f"{CACHES}/maven"),
        **plan.env,
    }


def running(launch: Launch, certificates: Path | None) -> dict[str, str]:
    """What the program of a directory sees."""
    plan = launch.artifact.the_plan()
    folder = posixpath.join(APP, plan.root)
    return {**_common(folder, certificates, venv=_has_venv(launch.artifact)), **wished(launch, PORT)}


def wished(launch: Launch, port: int) -> dict[str, str]:
    """What any program sees: where to listen, the plan's words, the launch's; the last wins."""
    plan = launch.artifact.the_plan()
    return {"PORT": str(port), "HOST": "0.0.0.0", **plan.env, **launch.env}  # noqa: S104


def port_of(env: dict[str, str], otherwise: int) -> int:
    """The port that a program was told to use."""
    word = env.get("PORT", "")
    return int(word) if word.isdecimal() and 0 < int(word) < 65536 else otherwise


def _has_venv(artifact: Artifact) -> bool:
    return artifact.deps is not None and artifact.the_plan().language == "python"


def _common(folder: str, certificates: Path | None, *, venv: bool) -> dict[str, str]:
    folder = posixpath.normpath(folder)
    env = {
        "PATH": f"{DEPS}/venv/bin:{folder}/{NODE_MODULES}/.bin:{_PATH}"
        if venv
        else f"{folder}/{NODE_MODULES}/.bin:{_PATH}",
        "HOME": "/tmp",  # noqa: S108
        "PYTHONUNBUFFERED": "1",
    }
    if venv:
        env["VIRTUAL_ENV"] = f"{DEPS}/venv"
    if certificates:
        env |= dict.fromkeys(_TRUST, _CERTIFICATES)
    return env
