"""Nx workspaces whose apps have no package.json of their own: `project.json` says how each is built, and to where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from runners.base import Plan
from runners.frameworks.folders import several
from runners.frameworks.node import install
from runners.frameworks.node.package import Package
from runners.frameworks.node.settings import joined

MAX_PROJECTS = 20

# What an executor's name tells of the app; the first that fits.
_SORTS = (
    ("next", re.compile(r"next")),
    ("server", re.compile(r"node|nest|js:|esbuild")),
    ("static", re.compile(r"vite|angular|web|react|rollup|webpack")),
)


def detect(package: Package) -> Plan | None:
    """The plan of the one app that is built, or of several together; None when this is no such workspace."""
    if package.tree.first("nx.json", "workspace.json") is None:
        return None
    plans = [plan for file in _projects(package) if (plan := _app(package, file))]
    if len(plans) > 1:
        return several(plans)
    return plans[0] if plans else None


def _projects(package: Package) -> Iterator[str]:
    found = [name for name in package.tree.ending("/project.json") if "e2e" not in name]
    for name in found[:MAX_PROJECTS]:
        if not package.tree.has(f"{name.removesuffix('/project.json')}/package.json"):
            yield name


def _app(package: Package, file: str) -> Plan | None:
    project, folder = package.tree.json(file), file.removesuffix("/project.json")
    build = _table(_table(project, "targets"), "build")
    executor, options = str(build.get("executor", "")), _table(build, "options")
    sort = next((sort for sort, pattern in _SORTS if pattern.search(executor)), None)
    if sort is None or project.get("projectType") == "library":
        return None
    if options.get("target") == "node":
        sort = "server"
    told = options.get("outputPath")
    out = joined("", told) if isinstance(told, str) and "{" not in told else f"dist/{folder}"
    name = str(project.get("name") or folder.rpartition("/")[2])
    plan = Plan(
        language="node",
        kind="static" if sort == "static" else "server",
        framework=_framework(package, sort, executor),
        entry=f"{out}/main.js" if sort == "server" else None,
        static_dir=_pages(out, executor) if sort == "static" else None,
        fallback=sort == "static",
        build=f"npx nx build {quote(name)} --configuration=production",
        start={
            "next": f"cd {quote(out)} && next start -H $HOST -p $PORT",
            "server": f"node {quote(f'{out}/main.js')}",
        }.get(sort),
        env={"NODE_ENV": "production", "NX_DAEMON": "false"},
        caches=(".nx/cache", "node_modules/.cache"),
        why={
            "language": "package.json is there",
            "build": f"{file} says how it is built",
            "start": f"what {executor} leaves",
        },
    )
    return install.apply(package, plan)


def _pages(out: str, executor: str) -> str:
    return f"{out}/browser" if "angular" in executor and executor.endswith(":application") else out


def _framework(package: Package, sort: str, executor: str) -> str | None:
    if sort == "next":
        return "next"
    if sort == "static":
        return next((name for name in ("angular", "vite") if name in executor), None)
    named = package.has("@nestjs/core", "express", "fastify", "koa", "hono")
    return "nest" if named == "@nestjs/core" else named


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, Mapping) else {}
