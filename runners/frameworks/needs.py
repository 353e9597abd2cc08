"""What a project needs around it and does not bring: databases, and values of its environment."""

from __future__ import annotations

import dataclasses

from runners.base import Plan
from runners.frameworks import backing, variables, wants
from runners.frameworks.tree import Tree


def told(tree: Tree, plan: Plan) -> Plan:
    """The plan of a tree, with what it and its parts want."""
    if plan.kind == "multi":
        return dataclasses.replace(plan, parts=tuple(told(tree, part) for part in plan.parts))
    if plan.kind not in ("server", "static") or plan.language == "static":
        return plan
    below = tree if plan.root == "." else tree.below(plan.root)
    seen = variables.found(below, tree)
    return wants.listed(backing.added(below, plan, seen), seen)
