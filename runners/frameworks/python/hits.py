"""Every way to serve a Python project that its code shows, the best first."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

from runners.frameworks.python import install, source
from runners.frameworks.python.rows import FACTORY, HANDLER, NAMING, ROWS, Row
from runners.frameworks.python.source import Made, Module
from runners.frameworks.tree import Tree, stem

_USUAL = ("app", "application", "api", "server", "asgi_app", "")
_HANDS_ON = ("wsgi", "asgi", "passenger_wsgi")  # files that are there to name the app, wherever it is made
_BESIDE = re.compile(r"celery|worker|seed|client|shell|init_?db")  # files that make an app to do something else with it
_DRAWS = re.compile(r"(?m)^(?:st|streamlit)\.\w|set_page_config\(|\.navigation\(|__main__")


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """One way to serve the project."""

    row: Row
    module: Module
    name: str  # of the app object or its factory; "" for a script
    line: int | None
    factory: bool = False
    guessed: bool = False  # by the file's name and the manifest: the file can't be parsed
    completes: bool = False  # the app is made in another file, and this one adds to it
    evidence: str = ""


def find(tree: Tree, wanted: Callable[[Hit], bool]) -> list[Hit]:
    """Deeper folders are only read when the ones above have no app."""
    modules: list[Module] = []
    found: list[Hit] = []
    for depth in range(source.MAX_DEPTH + 1):
        new = source.modules(tree, NAMING, depth)
        modules += new
        found += [hit for module in new for hit in _of(tree, module)]
        if any(hit.row.name and hit.row.makes and not _beside(hit) and wanted(hit) for hit in found):
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
        row = _maker(module, made) or _made_elsewhere(tree, module, made)
        if row:
            told = made.callee.rpartition(".")[2]
            yield Hit(
                row, module, name, made.line, evidence=f"{name} = {told}(...)" if row.name else f"{name} is {told}"
            )
    for name, dotted in module.aliases.items():
        if name in _USUAL and name not in module.objects and (hit := _handed_on(tree, module, name, dotted)):
            yield hit
    if module.bases.get("handler") == "http.server.BaseHTTPRequestHandler":
        yield Hit(HANDLER, module, "handler", None, evidence="the class handler answers HTTP")


def _handed_on(tree: Tree, module: Module, name: str, dotted: str) -> Hit | None:
    """An app that another file makes: when this one is there to name it, or adds to it what would be missing."""
    maker, wanted = _origin(tree, module, dotted), dotted.rpartition(".")[2]
    if maker is None or wanted not in maker.objects or maker.names(module.dotted):
        return None
    made, names_it = maker.objects[wanted], stem(module.path) in _HANDS_ON
    own = any(source.locate(tree, one) for one in module.effects)
    completes = (name in module.touched or own) and maker.path.count("/") >= module.path.count("/")
    row = _maker(maker, made) or _made_elsewhere(tree, maker, made)
    if row is None or not (names_it or completes):
        return None
    told = f"it imports {name} from {maker.path}" + ("" if names_it else " and adds to it")
    return Hit(row, module, name, None, completes=completes, evidence=told)


def _origin(tree: Tree, module: Module, dotted: str) -> Module | None:
    """The other file that an imported name comes from."""
    place = dotted.rpartition(".")[0]
    path = source.locate(tree, place) if place else None
    return source.read(path, tree.text(path)) if path and path != module.path else None


def _factories(module: Module) -> Iterator[Hit]:
    for name in sorted(module.factories):
        made, row = module.functions[name], _factory_row(module, name)
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
    row = strongest(asked.names) if asked else None
    if row:
        told = f"it can't be parsed, has a usual name, and {row.package} is asked for"
        yield from (Hit(row, one, _likely(one, row), None, guessed=True, evidence=told) for one in broken)


def strongest(names: frozenset[str]) -> Row | None:
    """The strongest framework among the packages of a manifest."""
    return next((row for row in ROWS if row.package and install.normal(row.package) in names), None)


def _likely(module: Module, row: Row) -> str:
    """The name that the framework's class is called for, where that can still be read; `app` otherwise."""
    classes = {made.rpartition(".")[2] for made in row.makes}
    named = (name for name, made in module.objects.items() if made.callee.rpartition(".")[2] in classes)
    return next(named, "app") if row.makes else ""


def _maker(module: Module, made: Made) -> Row | None:
    """The framework whose class, or a class made of it, or function, was called."""
    for _ in range(3):
        if made.callee in module.bases:
            made = Made(module.bases[made.callee], made.line)
    for row in ROWS:
        if made.callee in row.makes:
            return row
        tail = made.callee.rpartition(".")[2]
        if any(known.endswith(f".{tail}") and known.rpartition(".")[0] in module.stars for known in row.makes):
            return row
    return None


def _made_elsewhere(tree: Tree, module: Module, made: Made) -> Row | None:
    """`app = create_app()`: the framework is what the function makes, or the class is made of, wherever it lies."""
    place, _, name = made.callee.rpartition(".")
    if not place:
        return _factory_row(module, name)
    for _ in range(3):  # a package's __init__ may hand it on
        path = source.locate(tree, place)
        if path is None or path == module.path:
            return None
        module = source.read(path, tree.text(path))
        row = _factory_row(module, name)
        if row is None and name in module.bases:
            row = _maker(module, Made(name, 0))
        if row or name not in module.aliases:
            return row
        place, _, name = module.aliases[name].rpartition(".")
    return None


def _factory_row(module: Module, name: str) -> Row | None:
    found = (_maker(module, made) for made in module.functions.get(name, ()))
    return next((row for row in found if row), None)


def _beside(hit: Hit) -> bool:
    return _BESIDE.search(stem(hit.module.path).lower()) is not None


def _rank(hit: Hit, modules: list[Module]) -> tuple[object, ...]:
    """Known frameworks before plain scripts, short paths, app objects before factories, then the usual names.

    What others import, and the pages of an app with many, come last."""
    path = hit.module.path
    imported = any(other.imported(hit.module.dotted) for other in modules if other is not hit.module)
    silent = hit.row.name == "streamlit" and not _DRAWS.search(hit.module.text)
    helper = not hit.row.makes and (imported or silent or "pages" in path.split("/")[:-1])
    adds = hit.completes and not imported
    beside = _beside(hit) or (hit.completes and imported)
    depth, order, name = source.rank(path)
    if stem(path) in (f"{hit.row.name}_app", "Home", "home"):
        order = 0
    plain = hit.row.name is None
    strength = ROWS.index(hit.row) if hit.row in ROWS else len(ROWS)
    first = (helper, plain, hit.guessed, beside, not adds)
    return *first, depth, hit.factory, order, name, hit.name not in _USUAL, strength
