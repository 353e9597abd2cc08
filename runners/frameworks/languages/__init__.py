"""Every language but Python and Node, one room each; the rooms are asked in order, and the first answer wins."""

from __future__ import annotations

from collections.abc import Callable

from runners.base import Plan
from runners.frameworks.languages import bun, deno, dotnet, elixir, go, java, php, rows, ruby, rust, sites
from runners.frameworks.tree import Tree

ROOMS: tuple[Callable[[Tree], Plan | None], ...] = (
    sites.detect,
    php.detect,
    go.detect,
    java.detect,
    rust.detect,
    ruby.detect,
    elixir.detect,
    bun.detect,
    deno.detect,
    dotnet.detect,
    rows.detect,
)


def detect(tree: Tree) -> Plan | None:
    """What answers HTTP, or is built to be served."""
    plan = _first(tree)
    return plan if plan and plan.kind in ("server", "static") else None


def rest(tree: Tree) -> Plan | None:
    """Programs that serve nothing, and documentation beside nothing that does."""
    return sites.docs(tree) or _first(tree)


def _first(tree: Tree) -> Plan | None:
    return next((plan for room in ROOMS if (plan := room(tree))), None)
