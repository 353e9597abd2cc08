"""Reads Python files without running them: what they import, which app objects they make, what they call."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runners.frameworks.tree import ASIDE, Tree, folder_of, stem

ASIDE_FILE = re.compile(
    r"(^|/)(test_[^/]*|[^/]*_test|conftest|setup|noxfile|tasks|fabfile|gunicorn[^/]*conf[^/]*)\.py$"
)
MAX_FILES = 150
MAX_DEPTH = 3  # folders down
MAX_PARSED = 200_000  # characters of one file that are parsed as a whole; a longer one is read in parts
MAX_PARTS = 2000  # of a file that can't be parsed as a whole
MAX_PART = 20_000  # characters; a longer one is a table, or broken

# Functions that are an app themselves, by the names of what they take: what WSGI and ASGI are made of.
_CALLABLES = {
    ("environ", "start_response"): "callable.wsgi",
    ("env", "start_response"): "callable.wsgi",
    ("scope", "receive", "send"): "callable.asgi",
}

RUNS = re.compile(r"(?:^|\.)(?:run|run_server|run_app|run_forever|serve|serve_forever|listen|start|launch|main)$")

# Where a statement of the file's own level begins.
_PART = re.compile(r"^(?=[A-Za-z_@])(?!(?:else|elif|except|finally)\b)", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """What a name at the top of a module, or a function's result, was made by: the dotted name that was called."""

    callee: str
    line: int


class Broken(NamedTuple):
    """Why a file is no Python, as far as this Python knows."""

    line: int | None
    words: str


@dataclasses.dataclass(slots=True)
class Module:
    """One file, as far as detection wants to know it."""

    path: str
    text: str
    broken: Broken | None = None
    aliases: dict[str, str] = dataclasses.field(default_factory=dict)  # local name -> dotted name
    imports: set[str] = dataclasses.field(default_factory=set)  # dotted names of modules
    up: int = 0  # the highest level of a relative import
    stars: set[str] = dataclasses.field(default_factory=set)  # from X import *
    objects: dict[str, Made] = dataclasses.field(default_factory=dict)
    functions: dict[str, list[Made]] = dataclasses.field(default_factory=dict)  # what those call that return something
    factories: set[str] = dataclasses.field(default_factory=set)  # those of them that are callable without arguments
    bases: dict[str, str] = dataclasses.field(default_factory=dict)  # class -> dotted name of its first base
    touched: set[str] = dataclasses.field(default_factory=set)  # names that get routes, attributes, ... at the top
    effects: set[str] = dataclasses.field(default_factory=set)  # modules imported for what their import does
    calls: list[str] = dataclasses.field(default_factory=list)  # on import
    guarded_calls: list[str] = dataclasses.field(default_factory=list)  # in `if __name__ == "__main__"`

    @property
    def dotted(self) -> str:
        """`app/main.py` -> `app.main`, `app/__init__.py` -> `app`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def complaint(self) -> str:
        """`app.py line 2 can't be read as Python: invalid syntax`; "" when it can."""
        if self.broken is None:
            return ""
        at = f"{self.path} line {self.broken.line}" if self.broken.line else self.path
        return f"{at} can't be read as Python: {self.broken.words}"

    def imported(self, *names: str) -> str | None:
        """Which of these modules (or something below one) is imported."""
        for name in names:
            if any(had == name or had.startswith(f"{name}.") for had in self.imports):
                return name
        return None

    def names(self, dotted: str) -> bool:
        """It imports that module of its own tree, in whatever way."""
        return self.imported(dotted) is not None or dotted in self.aliases.values()

    def line_of(self, pattern: re.Pattern[str]) -> int | None:
        found = pattern.search(self.text)
        return self.text.count("\n", 0, found.start()) + 1 if found else None


def candidates(tree: Tree) -> list[str]:
    """Python files that may hold an app, shallowest first."""
    names = (n for n in tree.ending(".py", depth=MAX_DEPTH) if not ASIDE_FILE.search(n))
    return [n for n in names if not ASIDE.intersection(n.split("/")[:-1])][:MAX_FILES]


def modules(tree: Tree, naming: re.Pattern[str], depth: int) -> list[Module]:
    """Those candidates of one depth whose text names something we look for, read."""
    found = []
    for name in candidates(tree):
        text = tree.text(name) if name.count("/") == depth else ""
        if naming.search(text):
            found.append(read(name, text))
    return found


def read(path: str, text: str) -> Module:
    """Never raises: of a file that this Python can't parse as a whole, the statements that it can are read."""
    module = Module(path, text)
    if len(text) <= MAX_PARSED:
        try:
            _take_all(module, text)
        except (SyntaxError, ValueError) as error:
            module.broken = Broken(getattr(error, "lineno", None), getattr(error, "msg", str(error)))
        except (RecursionError, MemoryError):
            pass
        else:
            return module
    for line, part in _parts(text):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            _take_all(module, part, line)
    return module


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The statements of a file's own level, each with the number of lines above it."""
    line = 0
    for part in itertools.islice(_PART.split(text), MAX_PARTS):
        if len(part) <= MAX_PART:
            yield line, part
        line += part.count("\n")


def _take_all(module: Module, text: str, line: int = 0) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = ast.parse(text)
    if line:
        ast.increment_lineno(parsed, line)
    for node in ast.walk(parsed):
        _take_import(module, node)
    for statement in _top(parsed.body):
        _take(module, statement)
    for statement in filter(_is_guard, parsed.body):
        calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
        module.guarded_calls += [name for call in calls if (name := _dotted(module, call))]


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, also those in try, with and if (but not in the main guard)."""
    for node in body:
        if isinstance(node, ast.If) and not _is_guard(node):
            yield from _top([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _top([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from _top(node.body)
        elif not isinstance(node, ast.If):
            yield node


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}


def _take_import(module: Module, node: ast.AST) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            module.imports.add(alias.name)
            module.effects.add(alias.name)
            local = alias.asname or alias.name.split(".")[0]
            module.aliases[local] = alias.name if alias.asname else local
    elif isinstance(node, ast.ImportFrom):
        module.up = max(module.up, node.level)
        base = _absolute(module.path, node.level, node.module or "")
        if not node.level:
            module.imports.add(base)
        for alias in node.names:
            if alias.name == "*":
                module.stars.add(base)
                module.effects.add(base)
            else:
                module.aliases[alias.asname or alias.name] = f"{base}.{alias.name}".lstrip(".")
                if not node.level:
                    module.imports.add(f"{base}.{alias.name}")


def _absolute(path: str, level: int, name: str) -> str:
    """The dotted name that a relative import means, seen from the tree's root."""
    if not level:
        return name
    parts = folder_of(path).split("/") if "/" in path else []
    kept = parts[: len(parts) - level + 1] if level > 1 else parts
    return ".".join([*kept, *([name] if name else [])])


def _take(module: Module, node: ast.stmt) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        _take_function(module, node)
    elif isinstance(node, ast.ClassDef):
        if node.bases and (base := _dotted(module, node.bases[0])):
            module.bases[node.name] = base
    elif isinstance(node, ast.Expr):
        _take_call(module, node.value)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            _take_value(module, target, node.value)
    elif isinstance(node, ast.AnnAssign) and node.value:
        _take_value(module, node.target, node.value)


def _take_value(module: Module, target: ast.expr, value: ast.expr) -> None:
    first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
    if isinstance(first, ast.Name):
        _bind(module, first.id, value)
    elif isinstance(first, ast.Attribute) and isinstance(first.value, ast.Name):
        module.touched.add(first.value.id)


def _take_function(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    plain = isinstance(node, ast.FunctionDef)  # what an async one gives back, no server asks for
    taken = tuple(one.arg for one in node.args.args)
    if taken in _CALLABLES and plain == (len(taken) == 2):
        module.objects[node.name] = Made(_CALLABLES[taken], node.lineno)
    if isinstance(node, ast.FunctionDef):
        module.functions[node.name] = list(_calls_returned(module, node))
        if _callable_bare(node.args):
            module.factories.add(node.name)
    for one in node.decorator_list:
        callee = _dotted(module, one.func if isinstance(one, ast.Call) else one)
        if callee and "." in callee:
            module.touched.add(_local(one))


def _take_call(module: Module, node: ast.expr) -> None:
    while isinstance(node, ast.Await):
        node = node.value
    callee = _dotted(module, node.func) if isinstance(node, ast.Call) else None
    if not callee:
        return
    module.calls.append(callee)
    if "." in callee and not RUNS.search(callee):
        module.touched.add(_local(node))


def _local(node: ast.expr) -> str:
    """The name that an expression such as `app.route("/")` begins with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return ""
    return node.id


def _bind(module: Module, name: str, value: ast.expr) -> None:
    if isinstance(value, ast.Call):
        callee = _dotted(module, value.func)
        wrapped = [module.objects[a.id] for a in value.args if isinstance(a, ast.Name) and a.id in module.objects]
        if name in module.objects and wrapped:
            return  # app = Middleware(app): still the same app
        if callee:
            module.objects[name] = Made(callee, value.lineno)
    elif isinstance(value, ast.Name) and value.id in module.objects:
        module.objects[name] = module.objects[value.id]
    elif isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.value.id in module.objects:
        module.objects[name] = Made(f"{module.objects[value.value.id].callee}.{value.attr}", value.lineno)


def _dotted(module: Module, node: ast.expr) -> str | None:
    """`fl.Flask` -> `flask.Flask` after `import flask as fl`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([module.aliases.get(node.id, node.id), *reversed(parts)])


def _callable_bare(args: ast.arguments) -> bool:
    required = len(args.posonlyargs) + len(args.args) - len(args.defaults)
    return required <= 0 and all(args.kw_defaults)


def _calls_returned(module: Module, function: ast.FunctionDef) -> Iterator[Made]:
    """What is called in a function that gives something back."""
    nodes = list(ast.walk(function))
    for node in nodes:  # an import inside a function
        if isinstance(node, ast.ImportFrom):
            _take_import(module, node)
    if not any(isinstance(node, ast.Return) and node.value for node in nodes):
        return
    for node in nodes:
        if isinstance(node, ast.Call) and (callee := _dotted(module, node.func)):
            yield Made(callee, function.lineno)


def search_path(tree: Tree, module: Module) -> str:
    """The folder its imports are meant from: "" is the root, else something like `src`.

    The shallowest folder from which every import that could be the project's own is found."""
    parts = folder_of(module.path).split("/") if "/" in module.path else []
    places = ["/".join(parts[:n]) for n in range(len(parts) + 1)]
    deepest = len(parts) - module.up
    if module.up:
        places = [place for place in places if (place.count("/") + 1 if place else 0) <= deepest] or [""]
    own = {name.split(".")[0] for name in module.imports}
    packaged = _is_packaged(tree, parts)
    return min(
        places,
        key=lambda place: (-sum(_lies_in(tree, place, name) for name in own), packaged and place != "src", len(place)),
    )


def _is_packaged(tree: Tree, parts: list[str]) -> bool:
    """It lies in a package below `src`, which is a place for packages and not one itself."""
    if len(parts) < 2 or parts[0] != "src" or tree.has("src/__init__.py"):
        return False
    return tree.has(f"src/{parts[1]}/__init__.py")


def needs_root(tree: Tree, module: Module) -> bool:
    """It imports what lies at the root, which a script in a folder does not see."""
    own = {name.split(".")[0] for name in module.imports}
    folder = folder_of(module.path)
    return bool(folder) and any(_lies_in(tree, "", n) and not _lies_in(tree, folder, n) for n in own)


def _lies_in(tree: Tree, place: str, name: str) -> bool:
    at = f"{place}/{name}" if place else name
    return tree.has(f"{at}.py") or at in tree.all_folders


def locate(tree: Tree, dotted: str) -> str | None:
    """The file of a dotted module name, looked for below the root and `src`."""
    path = dotted.replace(".", "/")
    return tree.first(f"{path}.py", f"{path}/__init__.py", f"src/{path}.py", f"src/{path}/__init__.py")


ORDER = {
    name: rank
    for rank, name in enumerate(
        ["main", "app", "server", "api", "application", "wsgi", "asgi", "index", "run", "__init__"]
    )
}


def rank(path: str) -> tuple[int, int, str]:
    """Shortest path first, then the usual names, then the alphabet."""
    return path.count("/"), ORDER.get(stem(path), len(ORDER)), path
