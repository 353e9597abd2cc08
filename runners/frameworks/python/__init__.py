"""Python projects: the app object or script that the code itself shows, whatever the manifests say."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator

from runners.base import Plan
from runners.frameworks.python import django, install, source
from runners.frameworks.python.rows import FACTORY, NAMING, ROWS, SCRIPT, WELL_KNOWN, Row
from runners.frameworks.python.source import Made, Module
from runners.frameworks.tree import Tree, folder_of, stem, words

_PORT = re.compile(r"environ(?:\.get\(|\[)\s*[\"']PORT[\"']|getenv\(\s*[\"']PORT[\"']")
_BOTS = words("discord telegram aiogram telebot slack_bolt praw tweepy twitchio nextcord disnake pyrogram")
_MAIN = ["main", "app", "server", "run", "start", "bot", "hello", "cli", "index", "__main__"]


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """One way to serve the project."""

    row: Row
    module: Module
    entry: str
    line: int | None
    factory: bool = False
    evidence: str = ""


def app(tree: Tree) -> Plan | None:
    """A Python program that answers HTTP."""
    found = django.detect(tree)
    if found:
        return installed(tree, found, needs=("gunicorn", "django"))
    modules = source.modules(tree, NAMING)
    hits = sorted(_hits(tree, modules), key=lambda hit: _rank(hit, modules))
    hit = next((hit for hit in hits if _belongs(tree, hit.module.path)), None)
    return _served(tree, hit) if hit else None


def script(tree: Tree) -> Plan | None:
    """What is left: a Python program that is no known web app.  A bot or a command line is said to be one."""
    files = [name for name in source.candidates(tree) if "/" not in name or name == "src/main.py"]
    usual = [name for name in files if stem(name) in _MAIN]
    guarded = [name for name in files if "__main__" in tree.text(name)]
    if not (files or install.has_manifest(tree)) or not (usual or guarded or install.has_manifest(tree)):
        return None
    file = min(
        usual or guarded or files, key=lambda n: (_MAIN.index(stem(n)) if stem(n) in _MAIN else 99, n), default=None
    )
    if file is None:
        why = {"language": "it has a Python manifest", "kind": "no file of it starts anything: a library"}
        return installed(tree, Plan(language="python", kind="cli", why=why))
    module = source.read(file, tree.text(file))
    bot = module.imported(*_BOTS)
    kind, reason = ("server", f"{file} reads PORT") if _PORT.search(module.text) else ("cli", f"{file} serves no HTTP")
    if bot:
        kind, reason = "worker", f"{file} imports {bot}"
    plan = Plan(
        language="python",
        kind=kind,  # type: ignore[arg-type]
        entry=file,
        start=SCRIPT.format(file=install.quoted(file)),
        why={"language": f"{file} is there", "kind": reason, "entry": "the usual name of a program's start"},
    )
    return installed(tree, _rooted(tree, plan, module), text=module.text)


def installed(tree: Tree, plan: Plan, *, needs: tuple[str, ...] = (), text: str = "") -> Plan:
    """Add what the project says it needs, and what it forgot to say."""
    found = install.script_needs(text, plan.entry or "the script") or install.needs(tree)
    if found:
        plan = install.apply(plan, found)
        lacking = install.missing(needs, found.names)
    else:
        known = _guessed(tree)
        lacking = (*known, *install.missing(needs, frozenset(known)))
        evidence = "no manifest at all: the imports say what it needs" if lacking else "it needs no packages"
        plan = dataclasses.replace(plan, package_manager="pip", why={**plan.why, "package_manager": evidence})
    if lacking:
        plan = dataclasses.replace(plan, install=(*plan.install, f"uv pip install {' '.join(lacking)}"))
        if found:
            plan = _because(plan, "install", f"{', '.join(lacking)} added: needed and not named")
    asked = install.version(tree)
    if asked:
        plan = _because(dataclasses.replace(plan, version=asked[0]), "version", asked[1])
    return plan


def supply(tree: Tree, line: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """An install line for the servers that a start line wants and nothing installs yet; often none."""
    found = install.needs(tree)
    had = (found.names if found else frozenset()) | {word for one in lines for word in one.split()}
    lacking = install.line_needs(line, frozenset(had))
    return (f"uv pip install {' '.join(lacking)}",) if lacking else ()


def _served(tree: Tree, hit: Hit) -> Plan:
    row, module = hit.row, hit.module
    root = source.search_path(tree, module)
    dotted = module.dotted.removeprefix(root.replace("/", ".") + ".") if root else module.dotted
    target = f"{dotted}:{hit.entry}"
    line = row.factory if hit.factory and row.factory else row.start
    file = install.quoted(module.path)
    at = f"{module.path} line {hit.line}" if hit.line else module.path
    plan = Plan(
        language="python",
        kind="server",
        framework=row.name,
        entry=target if row.makes else module.path,
        port=row.port,
        start=line.replace("{target}", target).replace("{file}", file).replace("{module}", dotted),
        why={
            "framework": f"{at}: {hit.evidence}",
            "entry": "the shortest path and the most usual name among what can be started",
            "start": f"the production server of {row.name}" if row.makes else "it starts its own server",
        },
    )
    needs = tuple(filter(None, (row.package, *row.needs)))
    if row.makes and re.search(r"\bWebSocket\b|@\w+\.websocket\(", module.text) and "uvicorn" in needs:
        needs = (*needs, "websockets")
    return installed(tree, _rooted(tree, plan, module), needs=needs, text=module.text)


def _rooted(tree: Tree, plan: Plan, module: Module) -> Plan:
    """Put the folder that imports are meant from on the search path; a script has its own there already."""
    root = source.search_path(tree, module)
    own = folder_of(module.path) if plan.entry == module.path else ""
    if not root or root == own:
        return plan
    plan = dataclasses.replace(plan, env={**plan.env, "PYTHONPATH": root})
    return _because(plan, "env", f"{module.path} imports what lies in {root}/")


def _hits(tree: Tree, modules: list[Module]) -> Iterator[Hit]:
    for module in modules:
        yield from _objects(tree, module)
        yield from _factories(module)
        yield from _scripts(module)


def _objects(tree: Tree, module: Module) -> Iterator[Hit]:
    for name, made in module.objects.items():
        row = _maker(module, made) or _made_by_factory(tree, module, made)
        if row:
            yield Hit(row, module, name, made.line, evidence=f"{name} = {made.callee.rpartition('.')[2]}(...)")


def _maker(module: Module, made: Made) -> Row | None:
    for row in ROWS:
        if made.callee in row.makes:
            return row
        tail = made.callee.rpartition(".")[2]
        if any(m.endswith(f".{tail}") and m.rpartition(".")[0] in module.stars for m in row.makes):
            return row
    return None


def _made_by_factory(tree: Tree, module: Module, made: Made) -> Row | None:
    """`app = create_app()`: the framework is what the function makes, wherever it lies."""
    place, _, name = made.callee.rpartition(".")
    if not place:
        return _factory_row(module, name)
    path = source.locate(tree, place)
    if path is None or path == module.path:
        return None
    other = source.read(path, tree.text(path))
    row = _factory_row(other, name)
    if row is None and name in other.aliases and source.locate(tree, other.aliases[name].rpartition(".")[0]) != path:
        behind = source.locate(tree, other.aliases[name].rpartition(".")[0])  # handed on by a package's __init__
        row = _factory_row(source.read(behind, tree.text(behind)), name) if behind else None
    return row


def _factory_row(module: Module, name: str) -> Row | None:
    for made in module.factories.get(name, ()):
        row = _maker(module, made)
        if row:
            return row
    return None


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


def _rank(hit: Hit, modules: list[Module]) -> tuple[object, ...]:
    """Real apps before factories; what others import, and the pages of a multi-page app, come last."""
    path = hit.module.path
    imported = any(other.imported(hit.module.dotted) for other in modules if other is not hit.module)
    helper = not hit.row.makes and (imported or "pages" in path.split("/")[:-1])
    named = hit.row.name is not None and stem(path) in (f"{hit.row.name}_app", "Home", "home")
    depth, order, name = source.rank(path)
    usual = hit.entry not in ("app", "application", "api", "server", "asgi_app", "")
    return (
        helper,
        not hit.row.makes and hit.row.name is None,
        depth,
        hit.factory,
        0 if named else order,
        name,
        usual,
        ROWS.index(hit.row),
    )


def _belongs(tree: Tree, path: str) -> bool:
    """Not to a project of its own in a sub-folder: that one is found when the sub-folder is looked at."""
    folder = folder_of(path)
    if not folder:
        return True
    while folder:
        if install.has_manifest(tree.below(folder)):
            return False
        folder = folder_of(folder)
    top = path.split("/", maxsplit=1)[0]
    return install.has_manifest(tree) or tree.has(f"{top}/__init__.py") or top == "src"


def _guessed(tree: Tree) -> tuple[str, ...]:
    """Without a manifest: the packages behind those imports that are well known."""
    heads: set[str] = set()
    for name in source.candidates(tree)[:20]:
        heads.update(one.split(".")[0] for one in source.read(name, tree.text(name)).imports)
    own = {stem(name) for name in tree.ending(".py")} | set(tree.folders) | sys.stdlib_module_names
    return tuple(sorted({WELL_KNOWN[head] for head in heads - own if head in WELL_KNOWN}))


def _because(plan: Plan, field: str, evidence: str) -> Plan:
    return dataclasses.replace(plan, why={**plan.why, field: evidence})
