"""Several packages in one repository: installed together at the root, built and started in their folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from shlex import quote

from runners.base import Plan
from runners.frameworks.folders import several
from runners.frameworks.node import install
from runners.frameworks.node.commands import is_dev
from runners.frameworks.node.package import Package
from runners.frameworks.tree import Tree

MAX_MEMBERS = 40
_TOGETHER = ("node_modules/.cache", ".turbo/cache", ".nx/cache")  # what builds of all packages share


def detect(package: Package, one: Callable[[Tree], Plan | None]) -> Plan | None:
    """The plan of the one package that answers HTTP, or of several together; None when there is none."""
    plans = []
    for folder in members(package):
        plan = one(package.tree.below(folder))
        if plan and plan.kind in ("server", "static") and plan.language == "node":
            plans.append(_lifted(package, folder, plan))
    if len(plans) > 1:
        return several(plans)
    return plans[0] if plans else None


def members(package: Package) -> list[str]:
    """Folders with a package.json that the workspace patterns name."""
    patterns = [one.removeprefix("./").rstrip("/") for one in package.workspaces]
    wanted, refused = (
        [p for p in patterns[:50] if not p.startswith("!")],
        [p[1:] for p in patterns if p.startswith("!")],
    )
    return list(_matching(package.tree, wanted, refused))[:MAX_MEMBERS]


def _matching(tree: Tree, wanted: list[str], refused: list[str]) -> Iterator[str]:
    for name in tree.ending("/package.json"):
        folder = name.removesuffix("/package.json")
        if any(_fits(folder, one) for one in wanted) and not any(_fits(folder, one) for one in refused):
            yield folder


def _fits(folder: str, pattern: str) -> bool:
    """`apps/*` is one level, `apps/**` is any."""
    return fnmatchcase(folder, pattern) and ("**" in pattern or folder.count("/") == pattern.count("/"))


def _lifted(package: Package, folder: str, plan: Plan) -> Plan:
    """A member's plan, seen from the root that it is installed from."""
    go = f'cd {quote(folder)} && PATH="$PWD/node_modules/.bin:$PATH" && '
    root_build = package.scripts.get("build", "")
    build = f"{go}{plan.build}" if plan.build else None
    if plan.build and root_build and not is_dev(package.spelled(root_build)):
        build = install.run(package, install.manager(package), "build")
    why = {**plan.why, "root": f"{folder}/ is the member of the workspace that answers HTTP"}
    if build and not build.startswith(go):
        why["build"] = "the root's build script, so that the packages it needs are built first"
    lifted = dataclasses.replace(
        plan,
        entry=f"{folder}/{plan.entry}" if plan.entry else None,
        static_dir=f"{folder}/{plan.static_dir}" if plan.static_dir else None,
        build=build,
        caches=(*(f"{folder}/{name}" for name in plan.caches), *_TOGETHER) if build else (),
        start=f"{go}{plan.start}" if plan.start else None,
        why=why,
    )
    return install.apply(package, lifted)
