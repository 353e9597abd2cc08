"""Python projects: the app object or script that the code itself shows, whatever the manifests say."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from shlex import quote

from runners.base import Kind, Plan
from runners.frameworks import functions
from runners.frameworks.node import start
from runners.frameworks.node.package import Package
from runners.frameworks.python import assets, django, hits, install, source, system
from runners.frameworks.python.hits import Hit
from runners.frameworks.python.rows import NAMING, SCRIPT, WELL_KNOWN, Row
from runners.frameworks.python.source import Module
from runners.frameworks.tree import ASIDE, Tree, folder_of, stem, words

_PORT = re.compile(r"environ(?:\.get\(|\[)\s*[\"']PORT[\"']|getenv\(\s*[\"']PORT[\"']")
_SOCKETS = re.compile(r"\bWebSocket\b|@\w+\.websocket\(")
_OWN_RUN = re.compile(r"(?:^|\.)(?:run|run_server|run_app|serve_forever)$")
_ENDS_AT_ONCE = {"FLASK_RUN_FROM_CLI": "true"}  # Flask's own word for: app.run() does nothing now
_SETS_UP = re.compile(r"(?:^|[._])(?:init|create|setup|set_up|seed|migrate|load|populate|ensure|prepare|bootstrap)")
_DECORATED = re.compile(
    r"^@functions_framework\.\w+(?:\([^)\n]*\))?[ \t]*\n(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE
)
_DEFINED = re.compile(r"^def[ \t]+([A-Za-z]\w*)\([ \t]*_?request\b", re.MULTILINE)
# The port that the code falls back to, and the one that a script opens.
_FALLS_BACK = re.compile(
    r"[\"']PORT[\"']\s{0,9}(?:,\s{0,9}(?:default\s{0,9}=\s{0,9})?|\]?\)?\s{0,9}or\s{0,9})[\"']?(\d{2,5})\b"
)
_OPENS = re.compile(
    r"(?:HTTPServer|TCPServer)\(\s{0,9}\([^,()]{0,60},\s{0,9}(\d{2,5})\)|\bport\s{0,9}=\s{0,9}(\d{2,5})\b",
    re.IGNORECASE,
)
_BOTS = words("discord telegram aiogram telebot slack_bolt praw tweepy twitchio nextcord disnake pyrogram")
_MAIN = ("main", "app", "server", "run", "start", "bot", "hello", "cli", "index", "__main__")


def app(tree: Tree) -> Plan | None:
    """A Python program that answers HTTP."""
    found = django.detect(tree)
    if found:
        needs = ("gunicorn", "django") if "gunicorn " in str(found.start) else ("uvicorn", "websockets", "django")
        return assets.with_assets(tree, installed(tree, found, needs=needs))
    ways = hits.find(tree, lambda hit: _belongs(tree, hit.module.path))
    return assets.with_assets(tree, _served(tree, ways[0])) if ways else _function(tree)


def _function(tree: Tree) -> Plan | None:
    """A file with one function that functions-framework serves."""
    if not tree.has("main.py"):
        return None
    found, text = install.needs(tree), tree.text("main.py")
    name = functions.told(tree) or next(iter(_DECORATED.findall(text)), None)
    if name is None and found and "functions-framework" in found.names:
        name = next(iter(_DEFINED.findall(text)), None)
    if name is None or not re.search(rf"(?m)^(?:async[ \t]+)?def[ \t]+{name}\b", text):
        return None
    plan = Plan(
        language="python",
        kind="server",
        framework="functions-framework",
        entry="main.py",
        port=8080,
        start=f"functions-framework --source main.py --target {name} --host $HOST --port $PORT",
        why={"framework": f"{name}() of main.py is a function to serve", "entry": "where the framework looks for it"},
    )
    return installed(tree, plan, needs=("functions-framework",), text=text)


def unread(tree: Tree) -> Plan | None:
    """A Python program whose first file can't be parsed stays one, whatever pages lie beside it: its start says why."""
    module = _main_module(tree)
    if module is None or not module.broken:
        return None
    return _plain(tree, module) if install.has_manifest(tree) or NAMING.search(module.text) else None


def script(tree: Tree) -> Plan | None:
    """What is left: a Python program that is no known web app.  A bot or a command line is said to be one."""
    module = _main_module(tree)
    if module:
        return None if _brought_up_by_node(tree) else _plain(tree, module)
    if not install.has_manifest(tree) and not any(tree.ending(".ipynb", depth=1)):
        return None
    why = {"language": "a manifest or a notebook of Python", "kind": "no file of it starts anything: a library"}
    return installed(tree, Plan(language="python", kind="cli", why=why))


def _brought_up_by_node(tree: Tree) -> bool:
    """A script that asks for nothing, beside a Node program: that one is what is started."""
    found = install.needs(tree)
    package = Package.read(tree)
    return bool(package.raw.get("main")) and start.main(package) is not None and not (found and found.names)


def _plain(tree: Tree, module: Module) -> Plan:
    kind, reason = _kind(module)
    plan = Plan(
        language="python",
        kind=kind,
        entry=module.path,
        start=SCRIPT.format(file=quote(module.path)),
        why={"language": f"{module.path} is there", "kind": reason, "entry": "the usual name of a program's start"},
    )
    return installed(tree, _parsed_first(_rooted(tree, plan, module), module), text=module.text)


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
        plan = _because(dataclasses.replace(plan, package_manager="pip"), "package_manager", evidence)
    plan = system.needed(plan, (*(found.names if found else ()), *lacking))
    if lacking:
        plan = dataclasses.replace(plan, install=(*plan.install, f"uv pip install {' '.join(lacking)}"))
        plan = _because(plan, "install", f"{', '.join(lacking)} added: needed, and not asked for") if found else plan
    asked = install.version(tree, text)
    if asked:
        plan = _because(dataclasses.replace(plan, version=asked[0]), "version", asked[1])
    return plan


def asked(tree: Tree) -> str | None:
    """The strongest framework among the packages that are asked for."""
    found = install.needs(tree)
    row = hits.strongest(found.names) if found else None
    return row.name if row else None


def supply(tree: Tree, line: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """An install line for the servers that a start line wants and nothing installs yet; often none."""
    found = install.needs(tree)
    had = (found.names if found else frozenset()) | {word for one in lines for word in one.split()}
    lacking = install.line_needs(line, frozenset(had))
    return (f"uv pip install {' '.join(lacking)}",) if lacking else ()


def _served(tree: Tree, hit: Hit) -> Plan:
    row, module = hit.row, hit.module
    at = f"{module.path} line {hit.line}" if hit.line else module.path
    target = f"{_dotted(tree, module)}:{hit.name}"
    plan = Plan(
        language="python",
        kind="server",
        framework=row.name,
        entry=target if row.makes else module.path,
        port=row.port,
        start=_start_line(row, module, target, factory=hit.factory),
        why={
            "framework": f"{at}: {hit.evidence}",
            "entry": "the shortest path and the most usual name among what can be started",
            "start": f"the production server of {row.name}" if row.makes else "it starts its own server",
        },
    )
    plan = _ported(plan, row, module)
    needs = tuple(filter(None, (row.package, *row.needs)))
    plan = _imported_safely(plan, row, module)
    if "uvicorn" in needs and _SOCKETS.search(module.text):
        needs = (*needs, "websockets")
    plan = _parsed_first(_prepared(_rooted(tree, plan, module), row, module), module)
    return installed(tree, plan, needs=needs, text=module.text)


def _ported(plan: Plan, row: Row, module: Module) -> Plan:
    """The port that the code names is a better hint than the framework's."""
    found = _FALLS_BACK.search(module.text) or (_OPENS.search(module.text) if row.name is None else None)
    port = int(next(one for one in found.groups() if one)) if found else 0
    if not 0 < port < 65536:
        return plan
    return _because(dataclasses.replace(plan, port=port), "port", f"{module.path} falls back to {port}")


def _imported_safely(plan: Plan, row: Row, module: Module) -> Plan:
    """A file that serves as soon as it is imported is started as it is; Flask can be told not to serve."""
    apps = {*module.objects, "uvicorn", "hypercorn", "waitress", "aiohttp"}
    own = next((one for one in module.calls if _OWN_RUN.search(one) and one.partition(".")[0] in apps), None)
    if own is None or not row.makes or plan.start is None:
        return plan
    if row.name in ("flask", "dash"):
        plan = dataclasses.replace(plan, env={**plan.env, **_ENDS_AT_ONCE})
        return _because(plan, "env", f"{own}() of {module.path} would serve as soon as it is imported")
    plan = dataclasses.replace(plan, start=SCRIPT.format(file=quote(module.path)))
    return _because(plan, "start", f"{own}() of {module.path} serves as soon as it is imported, so it runs as a script")


def _dotted(tree: Tree, module: Module) -> str:
    """Its name as the search path makes it: `src/api.py` is `api` when imports are meant from `src`."""
    root = source.search_path(tree, module).replace("/", ".")
    return module.dotted.removeprefix(f"{root}.") if root else module.dotted


def _start_line(row: Row, module: Module, target: str, *, factory: bool) -> str:
    line = row.factory if factory and row.factory else row.start
    package = target.partition(":")[0]
    if module.up and line == SCRIPT:  # what it imports is named from its own package
        return f"python -m {quote(package.removesuffix('.__main__'))}"
    filled = {"{target}": target, "{call}": f"{target}()", "{file}": module.path, "{module}": package}
    for mark, value in filled.items():
        line = line.replace(mark, quote(value))
    return line


def _prepared(plan: Plan, row: Row, module: Module) -> Plan:
    """What `python app.py` does before it serves (tables, first rows) is done before the production server starts."""
    wanted = [one for one in module.guarded_calls if _SETS_UP.search(one)]
    if not (row.quiet and wanted and any(one.endswith(".run") for one in module.guarded_calls)):
        return plan
    package = row.quiet.split(".")[0]
    code = (
        f"import runpy, {package}; {row.quiet} = lambda *a, **k: None;"
        f" runpy.run_path({module.path!r}, run_name='__main__')"
    )
    plan = dataclasses.replace(plan, start=f"python -c {quote(code)}; {plan.start}")
    return _because(plan, "start", f"{plan.why['start']}; {wanted[0]}() of {module.path}'s main part runs first")


def _parsed_first(plan: Plan, module: Module) -> Plan:
    """What we can't parse is shown to the project's own Python, which may be newer, before anything starts.

    Some servers would start all the same, answer, and only then show the error."""
    if not module.complaint:
        return plan
    name = json.dumps(module.path, ensure_ascii=False)  # in double quotes, which the shell's single ones leave alone
    code = f'compile(open({name}, "rb").read(), {name}, "exec")'
    plan = dataclasses.replace(plan, start=f"python -c {quote(code)} && {plan.start}")
    return _because(plan, "start", f"{module.complaint}; the project's own Python has the last word")


def _rooted(tree: Tree, plan: Plan, module: Module) -> Plan:
    """Put the folder that imports are meant from on the search path; a script has its own there already."""
    root = source.search_path(tree, module)
    own = folder_of(module.path) if plan.entry == module.path else ""
    if own and not root and source.needs_root(tree, module):
        root = "."
    elif not root or root == own:
        return plan
    plan = dataclasses.replace(plan, env={**plan.env, "PYTHONPATH": root})
    return _because(plan, "env", f"{module.path} imports what lies in {root}/")  # "./" is the project's own folder


def _belongs(tree: Tree, path: str) -> bool:
    """Not to a project of its own in a sub-folder: that one is found when the sub-folder is looked at."""
    folder = folder_of(path)
    if not folder:
        return True
    while folder:
        if install.has_manifest(tree, folder):
            return False
        folder = folder_of(folder)
    top = path.split("/", maxsplit=1)[0]
    if install.has_manifest(tree) or tree.has(f"{top}/__init__.py") or top == "src":
        return True
    return top == "api" and _alone(tree, top)


def _alone(tree: Tree, folder: str) -> bool:
    """`api/` by itself is how a host of functions wants it; beside another program it is a service."""
    others = (name for name in tree.files if name.split("/", 1)[0] not in (folder, *ASIDE))
    return not any(name.endswith("package.json") or (name.endswith(".py") and "/" in name) for name in others)


def _main_module(tree: Tree) -> Module | None:
    file = _main_file(tree)
    return source.read(file, tree.text(file)) if file else None


def _main_file(tree: Tree) -> str | None:
    """A file with a usual name, else one with a main part, else any beside a manifest."""
    files = [name for name in source.candidates(tree) if "/" not in name or name == "src/main.py"]
    usual = sorted((name for name in files if stem(name) in _MAIN), key=lambda name: _MAIN.index(stem(name)))
    guarded = [name for name in files if "__main__" in tree.text(name)]
    rest = files if install.has_manifest(tree) else []
    packaged = [
        name for name in source.candidates(tree) if name.endswith("/__main__.py") and install.has_manifest(tree)
    ]
    return next(iter((*usual, *guarded, *packaged, *rest)), None)


def _kind(module: Module) -> tuple[Kind, str]:
    bot = module.imported(*_BOTS)
    if bot:
        return "worker", f"{module.path} imports {bot}"
    if module.complaint:
        return "server", f"{module.complaint}, and its start says so"
    if _PORT.search(module.text):
        return "server", f"{module.path} reads PORT"
    return "cli", f"{module.path} serves no HTTP"


def _guessed(tree: Tree) -> tuple[str, ...]:
    """Without a manifest: the packages behind those imports that are well known."""
    heads: set[str] = set()
    for name in source.candidates(tree)[:20]:
        heads.update(one.split(".")[0] for one in source.read(name, tree.text(name)).imports)
    own = {stem(name) for name in tree.ending(".py")} | set(tree.folders) | sys.stdlib_module_names
    return tuple(sorted({WELL_KNOWN[head] for head in heads - own if head in WELL_KNOWN}))


def _because(plan: Plan, field: str, evidence: str) -> Plan:
    return dataclasses.replace(plan, why={**plan.why, field: evidence})
