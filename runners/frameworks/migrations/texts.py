"""Which SQL a Python file runs, as far as it stands there: constants, names of constants, SQLAlchemy's `text`."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from runners.frameworks.migrations import sql

UNSEEN = "runs SQL that can't be read here"
_MOST_STEPS = 5000  # in one file: names of names of names
_MOST_DEPTH = 40
_MOST_TEXT = 1024 * 1024  # characters of one text


class Texts:
    """The texts of one file."""

    def __init__(self, tree: ast.Module) -> None:
        self._left = _MOST_STEPS
        self._values: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(tree):
            for name, value in _bound(node):
                self._values.setdefault(name, []).append(value)

    def lost(self, given: ast.expr | None) -> str | None:
        """What SQL that is run loses; what is only known when it is run loses everything."""
        texts = self._of(given, 0)
        if texts is None:
            return UNSEEN
        return next((lost for text in texts if (lost := sql.destroys(text))), None)

    def _of(self, node: ast.expr | None, depth: int) -> list[str] | None:
        """The texts that an expression can be; None: it can't be told."""
        self._left -= 1
        if node is None or self._left < 0 or depth > _MOST_DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.Attribute) and node.attr == "noop":
            return []
        if isinstance(node, ast.List | ast.Tuple):
            return self._listed(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined(node, depth)
        if isinstance(node, ast.Call):
            return self._built(node, depth)
        if isinstance(node, ast.Name):
            return self._all(self._values.get(node.id, ()), depth) or None
        return None

    def _all(self, nodes: Iterable[ast.expr | None], depth: int) -> list[str] | None:
        found: list[str] = []
        for node in nodes:
            texts = self._of(node, depth + 1)
            if texts is None:
                return None
            found += texts
        return found

    def _listed(self, node: ast.List | ast.Tuple, depth: int) -> list[str] | None:
        """Several texts, or one and what is put into it, which may be anything."""
        if isinstance(node, ast.Tuple) and depth and len(node.elts) == 2:
            first, second = (self._of(part, depth + 1) for part in node.elts)
            return None if first is None else [*first, *(second or [])]
        return self._all(node.elts, depth)

    def _joined(self, node: ast.BinOp, depth: int) -> list[str] | None:
        left, right = self._of(node.left, depth + 1), self._of(node.right, depth + 1)
        if not left or not right or len(left) > 1 or len(right) > 1:
            return None
        return [left[0] + right[0]] if len(left[0]) + len(right[0]) <= _MOST_TEXT else None

    def _built(self, call: ast.Call, depth: int) -> list[str] | None:
        """`text("...")`, or a statement of SQLAlchemy's that adds or changes."""
        chain = _chain(call)
        called = [name for name, _call in chain]
        if "delete" in called:
            return ["DELETE FROM ?"]
        if {"insert", "update", "select"} & set(called) or called[0].startswith("Create"):
            return []
        text = next((each for name, each in chain if name == "text"), None)
        if text is not None:  # text("...").bindparams(...)
            return self._of(text.args[0] if text.args else None, depth + 1)
        if called[0] == "strip" and isinstance(call.func, ast.Attribute):
            return self._of(call.func.value, depth + 1)
        return self._all(call.args, depth) if called[0] in ("dedent", "cleandoc") else None


def _chain(call: ast.Call) -> list[tuple[str, ast.Call]]:
    """`table.update().where(...)`: where, update."""
    found, node = [(_name(call), call)], call.func
    while isinstance(node, ast.Attribute):
        node = node.value
        if isinstance(node, ast.Call):
            found.append((_name(node), node))
            node = node.func
    return found


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _bound(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    """Names that get a value here, and it; None: one that can't be told."""
    if isinstance(node, ast.Assign):
        return [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.value)]
    if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.iter)]
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, None)]
    return []
