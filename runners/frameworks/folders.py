"""Nothing to run at the root: look into the sub-folders, and make one plan of several services."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from runners.base import Plan
from runners.frameworks.tree import ASIDE, Tree, words

Detector = Callable[[Tree], Plan | None]

MAX_FOLDERS = 40  # looked into on each level

FRONT = words("frontend front client web webapp www ui app site dashboard")
BACK = words("backend back server api service services app src")


def detect(tree: Tree, one: Detector) -> Plan | None:
    """One plan, or kind "multi" with one part per service, the front end first."""
    found = list(_found(tree, one))
    strong = [plan for plan in found if plan.kind in ("server", "static") and plan.language != "static"]
    served = [plan for plan in strong if plan.kind == "server"]
    pages = [plan for plan in found if plan.language == "static"]
    if tree.has("index.html"):
        served = [plan for plan in served if plan.root in BACK]
        if not served:
            return None
        why = {"language": "index.html is there, and the root builds nothing"}
        page = Plan(language="static", kind="static", static_dir=".", why=why)
        return several([page, *served])
    if len(strong) == 1 and strong[0] in served:
        strong += [plan for plan in pages if plan.root.rpartition("/")[2] in FRONT]
    if len(strong) > 1:
        return several(strong)
    if strong:
        return strong[0]
    return None


def _found(tree: Tree, one: Detector) -> Iterator[Plan]:
    for folder in tree.folders[:MAX_FOLDERS]:
        if folder in ASIDE or folder.startswith("."):
            continue
        below = tree.below(folder)
        plan = one(below)
        if plan and (plan.kind in ("server", "static") and plan.language != "static"):
            yield _at(plan, folder)
            continue
        inner = [p for p in (_placed(below, f, one) for f in below.folders[:MAX_FOLDERS]) if p]
        if inner:
            yield from (_at(p, folder) for p in inner)
        elif plan:
            yield _at(plan, folder)


def _placed(tree: Tree, folder: str, one: Detector) -> Plan | None:
    if folder in ASIDE or folder.startswith("."):
        return None
    plan = one(tree.below(folder))
    strong = plan is not None and plan.kind in ("server", "static") and plan.language != "static"
    return _at(plan, folder) if plan and strong else None


def _at(plan: Plan, folder: str) -> Plan:
    root = folder if plan.root == "." else f"{folder}/{plan.root}"
    return dataclasses.replace(plan, root=root, why={**plan.why, "root": f"found in {root}/"})


def several(plans: list[Plan]) -> Plan:
    """One plan for what runs side by side, the front end first."""
    parts = tuple(sorted(plans, key=lambda p: (p.kind != "static", p.root.rpartition("/")[2] not in FRONT, p.root))[:8])
    names = ", ".join(f"{part.framework or part.language} in {part.root}/" for part in parts)
    why = {"kind": f"{len(parts)} services: {names}"}
    return Plan(language="multi", kind="multi", parts=parts, why=why)
