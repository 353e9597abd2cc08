"""What a migration of Django or Alembic takes away.  Its file is parsed and never run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from runners.frameworks.migrations.texts import Texts

UNREAD = "it can't be read as Python"
_LONGEST = 60  # characters of a name that is told
_DJANGO = {
    "RemoveField": "removes the field {model_name}.{name}",
    "DeleteModel": "deletes the model {name}",
    "RenameField": "renames the field {model_name}.{old_name}",
    "RenameModel": "renames the model {old_name}",
    "AlterModelTable": "renames the table of {name}",
}
_DJANGO_ORDER = {  # of arguments without a name
    "RemoveField": ("model_name", "name"),
    "RenameField": ("model_name", "old_name"),
    "RenameModel": ("old_name",),
    "DeleteModel": ("name",),
    "AlterModelTable": ("name",),
}
_ALEMBIC = {
    "drop_table": "drops the table {0}",
    "drop_column": "drops the column {0}.{1}",
    "rename_table": "renames the table {0}",
}


def django(text: str) -> str | None:
    """What the operations of `class Migration` lose, the first of them; state that only Django knows does not count."""
    tree = _parsed(text)
    if tree is None:
        return UNREAD
    names = _imported(tree)
    back, texts = _back(tree, names), Texts(tree)
    for call in _calls(tree, back):
        name = _called(call, names)
        if name in _DJANGO:
            return _told(_DJANGO[name], call, _DJANGO_ORDER[name])
        if name == "RunSQL" or (name == "execute" and isinstance(call.func, ast.Attribute)):
            lost = texts.lost(_argument(call, "sql"))
        else:
            continue
        if lost:
            return lost
    return None


def alembic(text: str) -> str | None:
    """What `upgrade()`, and what it calls in its own file, loses, the first thing of it."""
    tree = _parsed(text)
    if tree is None:
        return UNREAD
    names, texts = _imported(tree), Texts(tree)
    for function in _forward(tree):
        for call in _calls(function, frozenset()):
            name = _called(call, names)
            if name in _ALEMBIC:
                return _alembic(name, call)
            if name == "alter_column" and _keyword(call, "new_column_name") is not None:
                return f"renames the column {_word(_at(call, 0))}.{_word(_at(call, 1))}".removesuffix(".?")
            if name == "execute" and (lost := texts.lost(_argument(call, "sqltext"))):
                return lost
    return None


def _parsed(text: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local names of what was imported by another one."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.asname: alias.name for node in found for alias in node.names if alias.asname}


def _calls(top: ast.AST, without: frozenset[str]) -> Iterator[ast.Call]:
    """All calls, but for those in functions of these names and in operations on Django's own state."""
    left = [top]
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in without:
            continue
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.keyword) and node.arg == "state_operations":
            continue
        left += reversed(list(ast.iter_child_nodes(node)))


def _back(tree: ast.Module, names: dict[str, str]) -> frozenset[str]:
    """Functions that `RunPython` is given for the way back."""
    found = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _called(call, names) == "RunPython":
            back = _keyword(call, "reverse_code") or _at(call, 1)
            found |= {back.id} if isinstance(back, ast.Name) else set()
    return frozenset(found)


def _forward(tree: ast.Module) -> list[ast.AST]:
    """`upgrade`, `upgrade_<database>` and what they call here."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    wanted = [name for name in functions if name == "upgrade" or name.startswith("upgrade_")]
    for name in wanted:  # it grows meanwhile
        for node in ast.walk(functions[name]):
            called = node.id if isinstance(node, ast.Name) else ""
            if called in functions and called not in wanted:
                wanted.append(called)
    return [functions[name] for name in wanted]


def _called(call: ast.Call, names: dict[str, str]) -> str:
    """The last part of the name that is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return names.get(call.func.id, call.func.id) if isinstance(call.func, ast.Name) else ""


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return _keyword(call, name) or _keyword(call, "statement") or _at(call, 0)


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def _at(call: ast.Call, at: int) -> ast.expr | None:
    return call.args[at] if at < len(call.args) else None


def _word(node: ast.expr | None) -> str:
    return node.value[:_LONGEST] if isinstance(node, ast.Constant) and isinstance(node.value, str) else "?"


def _told(form: str, call: ast.Call, order: tuple[str, ...]) -> str:
    words = {name: _keyword(call, name) or _at(call, at) for at, name in enumerate(order)}
    return form.format(**{name: _word(node) for name, node in words.items()})


def _alembic(name: str, call: ast.Call) -> str:
    table = _keyword(call, "table_name") or _keyword(call, "old_table_name") or _at(call, 0)
    column = _keyword(call, "column_name") or _at(call, 1)
    if name == "drop_column" and column is None:  # of a batch, which has been told the table
        return f"drops the column {_word(table)}"
    return _ALEMBIC[name].format(_word(table), _word(column))
