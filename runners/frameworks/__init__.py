"""Looks at a project's files and says how to build and run it.

One room per language, each with a table of its own; the rooms are asked in order and the first answer wins.  To add a
framework, add a row to its room's table; to add a language, add a room and its name to `BUILT`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from runners.base import Plan
from runners.frameworks import (
    beside,
    compose,
    docker,
    folders,
    languages,
    migrations,
    mounts,
    needs,
    node,
    procfile,
    python,
    static,
)
from runners.frameworks.manifest import PROCFILE, NotDetected
from runners.frameworks.tree import Tree

__all__ = ["DETECTORS", "NotDetected", "Tree", "detect"]

Detector = Callable[[Tree], Plan | None]


LOOKED_FOR = (
    "I don't know how to run this project. I looked for a compose file, a Dockerfile, a Procfile, Python (an app"
    " object, requirements.txt, pyproject.toml), Node (package.json), Go, Rust, Ruby, PHP, Java, Elixir, Deno, .NET"
    " and other manifests, site generators, and HTML pages, at the root and in its folders."
)


def _first(detectors: tuple[Detector, ...], tree: Tree) -> Plan | None:
    return next((plan for one in detectors if (plan := one(tree))), None)


def _procfile(tree: Tree) -> Plan | None:
    return procfile.detect(tree, lambda below: _first((*BUILT, _folders, *PLAIN), below))


def _told(tree: Tree) -> Plan | None:
    return procfile.told(tree, lambda below: _first((*BUILT, *PLAIN), below))


def _folders(tree: Tree) -> Plan | None:
    return folders.detect(tree, lambda below: _first((_procfile, *BUILT, *PLAIN, docker.detect), below))


def _compose(tree: Tree) -> Plan | None:
    if procfile.web(tree) is not None:  # somebody said how to start it here
        return None
    return compose.detect(tree, lambda below: _first((_procfile, *BUILT, *PLAIN), below))


BUILT: tuple[Detector, ...] = (python.app, languages.detect, node.detect)  # rooms that know what answers HTTP
PLAIN: tuple[Detector, ...] = (python.unread, languages.rest, static.detect, python.script, node.rest)
DETECTORS: tuple[Detector, ...] = (docker.detect, _procfile, _told, *BUILT, _folders, *PLAIN)


def detect(tree: Tree, *, images: bool = True) -> Plan:
    """The plan of the first detector that knows the tree; nothing of the project is ever run.

    `images`: whether images can be built where it will run; else a compose file says nothing.
    Raises NotDetected: with the place of the fault when a manifest can't be read, else with what was looked for."""
    plan = _first((_compose, *DETECTORS) if images else DETECTORS, tree)
    if plan is None:
        page = static.refused(tree)
        told = f" {page} is a template that a server fills in: it can't be served as a page." if page else ""
        raise NotDetected(f"{LOOKED_FOR}{told} {PROCFILE}")
    plan = beside.joined(tree, plan, node.detect)
    plan = needs.told(tree, docker.forwarded(tree, mounts.placed(tree, plan)))
    return dataclasses.replace(procfile.released(tree, plan), migrations=migrations.found(tree))
