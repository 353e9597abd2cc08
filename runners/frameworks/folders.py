"""Nothing to run at the root: look into the sub-folders, and make one plan of several services."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from runners.base import Plan
from runners.frameworks import static
from runners.frameworks.manifest import NotDetected
from runners.frameworks.mounts import FRONT
from runners.frameworks.tree import ASIDE, Tree, words

Detector = Callable[[Tree], Plan | None]

MAX_FOLDERS = 40  # looked into on each level

BACK = words("backend back server api service services app src")


def detect(tree: Tree, one: Detector) -> Plan | None:
    """One plan, or kind "multi" with one part per service, the front end first.

    Raises NotDetected when a folder's manifest can't be read, and it is a front or back end's or nothing else is."""
    missed: list[NotDetected] = []
    found = list(_found(tree, _patient(one, missed)))
    page = tree.first("index.html")
    if page and not static.is_template(tree, page):
        return _with_page([plan for plan in found if _strong(plan)])
    chosen = _chosen(found)
    if not chosen and missed:
        raise missed[0]
    return several(chosen) if len(chosen) > 1 else next(iter(chosen), None)


def _patient(one: Detector, missed: list[NotDetected]) -> Detector:
    """`one`, for folders that may well be no part of the project: their faults are kept for later."""

    def asked(tree: Tree) -> Plan | None:
        try:
            return one(tree)
        except NotDetected as error:
            if _name(tree.root) in FRONT | BACK:
                raise
            missed.append(error)
            return None

    return asked


def _with_page(strong: list[Plan]) -> Plan | None:
    """The page at the root, with the back end that it talks to; None when there is none, and the page is all."""
    served = [plan for plan in strong if plan.kind == "server" and plan.root in BACK]
    if not served:
        return None
    why = {"language": "index.html is there, and the root builds nothing"}
    return several([Plan(language="static", kind="static", static_dir=".", why=why), *served])


def _chosen(found: list[Plan]) -> list[Plan]:
    """What is built or started; beside servers alone also the pages of a front end's folder."""
    strong = [plan for plan in found if _strong(plan)]
    alone = len(strong) == 1 or not any(_name(plan.root) in FRONT for plan in strong)
    if strong and alone and all(plan.kind == "server" for plan in strong):
        strong += [plan for plan in found if plan.language == "static" and _name(plan.root) in FRONT]
    return strong


def _strong(plan: Plan) -> bool:
    """It is built or started, not only served as it lies there."""
    return plan.kind in ("server", "static") and (plan.language != "static" or plan.build is not None)


def _found(tree: Tree, one: Detector) -> Iterator[Plan]:
    for folder, below in _below(tree):
        plan = one(below)
        if plan and _strong(plan):
            yield at(plan, folder)
            continue
        deeper = ((inner, one(tree_below)) for inner, tree_below in _below(below))
        inside = [at(at(p, inner), folder) for inner, p in deeper if p and _strong(p)]
        yield from inside or ([at(plan, folder)] if plan else [])


def _below(tree: Tree) -> Iterator[tuple[str, Tree]]:
    for folder in tree.folders[:MAX_FOLDERS]:
        if folder not in ASIDE and not folder.startswith("."):
            yield folder, tree.below(folder)


def at(plan: Plan, folder: str) -> Plan:
    """A plan of a folder below, seen from here."""
    root = folder if plan.root == "." else f"{folder}/{plan.root}"
    return dataclasses.replace(plan, root=root, why={**plan.why, "root": f"found in {root}/"})


def _name(root: str) -> str:
    return root.rpartition("/")[2]


def several(plans: list[Plan]) -> Plan:
    """One plan for what runs side by side, the front end first."""
    parts = tuple(sorted(plans, key=lambda p: (p.kind != "static", _name(p.root) not in FRONT, p.root))[:8])
    names = ", ".join(f"{part.framework or part.language} in {part.root}/" for part in parts)
    why = {"kind": f"{len(parts)} services: {names}"}
    return Plan(language="multi", kind="multi", parts=parts, why=why)
