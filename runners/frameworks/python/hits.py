"""Every way to serve a Python project that its code shows, the best first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from runners.frameworks.python import install, source
from runners.frameworks.python.rows import FACTORY, NAMING, ROWS, Row
from runners.frameworks.python.source import Made, Module
from runners.frameworks.tree import Tree, stem

_USUAL = ("app", "application", "api", "server", "asgi_app", "")


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """One way to serve the project."""

    row: Row
    module: Module
    name: str  # of the app object or its factory; "" for a script
    line: int | None
    factory: bool = False
    guessed: bool = False  # by the file's name and the manifest: the file can't be parsed
    evidence: str = ""


def find(tree: Tree, wanted: Callable[[Hit], bool]) -> list[Hit]:
    """Deeper folders are only read when the ones above have no app."""
    modules: list[Module] = []
    found: list[Hit] = []
    for depth in range(source.MAX_DEPTH + 1):
        new = source.modules(tree, NAMING, depth)
        modules += new
        found += [hit for module in new for hit in _of(tree, module)]
        if any(hit.row.name and hit.row.makes and wanted(hit) for hit in found):
            break
    else:
        found = _with_guesses(tree, found)
    return [hit for hit in sorted(found, key=lambda hit: _rank(hit, modules)) if wanted(hit)]


def _with_guesses(tree: Tree, found: list[Hit]) -> list[Hit]:
    """No file makes an app.  One that can't be parsed may: then a script is only believed by its name."""
    guesses = list(_guesses(tree))
    if any(guess.row.makes for guess in guesses):
        found = [hit for hit in found if hit.row.makes or stem(hit.module.path) in source.ORDER]
    return found + guesses


def _of(tree: Tree, module: Module) -> Iterator[Hit]:
    yield from _objects(tree, module)
    yield from _factories(module)
    yield from _scripts(module)


def _objects(tree: Tree, module: Module) -> Iterator[Hit]:
    for name, made in module.objects.items():
        row = _maker(module, made) or _made_by_factory(tree, module, made)
        if row:
            yield Hit(row, module, name, made.line, evidence=f"{name} = {made.callee.rpartition('.')[2]}(...)")


def _factories(module: Module) -> Iterator[Hit]:
    for name, made in module.factories.items():
        row = _factory_row(module, name)
        if row and row.factory and FACTORY.match(name):
            yield Hit(row, module, name, made[0].line, factory=True, evidence=f"{name}() makes the app")


def _scripts(module: Module) -> Iterator[Hit]:
    for row in ROWS:
        name = module.imported(*row.imports) if row.imports else None
        if name is None or (row.calls and not row.calls.search(module.text)):
            continue
        line = module.line_of(row.calls) if row.calls else None
        yield Hit(row, module, "", line, evidence=f"imports {name}" + (" and starts it" if row.calls else ""))
        return


def _guesses(tree: Tree) -> Iterator[Hit]:
    """Files with an entry's name that can't be parsed: what the manifest asks for says what they would serve."""
    usual = (name for name in source.candidates(tree) if stem(name) in source.ORDER)
    broken = [module for name in usual if (module := source.read(name, tree.text(name))).broken]
    asked = install.needs(tree) if broken else None
    row = _asked(asked.names) if asked else None
    if row:
        told = f"it can't be parsed, has a usual name, and {row.package} is asked for"
        yield from (Hit(row, one, _likely(one, row), None, guessed=True, evidence=told) for one in broken)


def _asked(names: frozenset[str]) -> Row | None:
    """The strongest framework among the packages of a manifest."""
    return next((row for row in ROWS if row.package and install.normal(row.package) in names), None)


def _likely(module: Module, row: Row) -> str:
    """The name that the framework's class is called for, where that can still be read; `app` otherwise."""
    classes = {made.rpartition(".")[2] for made in row.makes}
    named = (name for name, made in module.objects.items() if made.callee.rpartition(".")[2] in classes)
    return next(named, "app") if row.makes else ""


def _maker(module: Module, made: Made) -> Row | None:
    """The framework whose class, or function, was called."""
    for row in ROWS:
        if made.callee in row.makes:
            return row
        tail = made.callee.rpartition(".")[2]
        if any(known.endswith(f".{tail}") and known.rpartition(".")[0] in module.stars for known in row.makes):
            return row
    return None


def _made_by_factory(tree: Tree, module: Module, made: Made) -> Row | None:
    """`app = create_app()`: the framework is what the function makes, wherever it lies."""
    place, _, name = made.callee.rpartition(".")
    if not place:
        return _factory_row(module, name)
    for _ in range(3):  # a package's __init__ may hand it on
        path = source.locate(tree, place)
        if path is None or path == module.path:
            return None
        module = source.read(path, tree.text(path))
        row = _factory_row(module, name)
        if row or name not in module.aliases:
            return row
        place, _, name = module.aliases[name].rpartition(".")
    return None


def _factory_row(module: Module, name: str) -> Row | None:
    found = (_maker(module, made) for made in module.factories.get(name, ()))
    return next((row for row in found if row), None)


def _rank(hit: Hit, modules: list[Module]) -> tuple[object, ...]:
    """Known frameworks before plain scripts, short paths, app objects before factories, then the usual names.

    What others import, and the pages of an app with many, come last."""
    path = hit.module.path
    imported = any(other.imported(hit.module.dotted) for other in modules if other is not hit.module)
    helper = not hit.row.makes and (imported or "pages" in path.split("/")[:-1])
    depth, order, name = source.rank(path)
    if stem(path) in (f"{hit.row.name}_app", "Home", "home"):
        order = 0
    plain = hit.row.name is None
    return helper, plain, hit.guessed, depth, hit.factory, order, name, hit.name not in _USUAL, ROWS.index(hit.row)
