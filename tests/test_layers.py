"""A layer imports only from below: tests/layers.txt is the law, read from the top down."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAW = [
    line.split("#")[0].split()
    for line in (ROOT / "tests/layers.txt").read_text().splitlines()
    if line.split("#")[0].strip()
]
LEVEL = {name: level for level, names in enumerate(LAW) for name in names}


def covering(module: str) -> str | None:
    """The longest name of the law that covers a module."""
    parts = module.split(".")
    return next((name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in LEVEL), None)


def modules() -> dict[str, Path]:
    found = {}
    for package in ("bot", "handlers", "runners", "demo"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in known else node.module for name in inner}
    return names


def violations() -> list[str]:
    known, wrong = modules(), []
    for module, path in known.items():
        upper = covering(module)
        for name in imported(path, known):
            lower = covering(name)
            if upper is None or lower is None or upper == lower:
                continue
            if LEVEL[lower] <= LEVEL[upper]:
                wrong.append(f"{module} imports {name}: {upper} is not above {lower}")
    return sorted(wrong)


def test_a_layer_imports_only_from_below() -> None:
    assert violations() == []


def test_every_module_has_a_place_in_the_law() -> None:
    assert [module for module in modules() if covering(module) is None] == []
