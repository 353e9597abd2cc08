"""Node projects: what package.json names, what its scripts really do, what the build leaves."""

from __future__ import annotations

import dataclasses
import json
import re
from shlex import quote

from runners.base import Plan
from runners.frameworks import told
from runners.frameworks.manifest import json_fault
from runners.frameworks.node import install, nx, shapes, start, workspaces
from runners.frameworks.node.commands import is_dev
from runners.frameworks.node.package import Package
from runners.frameworks.node.rows import BOTS, BUILDS, CACHES, ROWS, Row
from runners.frameworks.node.shapes import Shape
from runners.frameworks.tree import Tree

_Line = tuple[str, tuple[str, ...], str]  # how it starts, the tools that are added for that, and what says so
# Starts what an app's file hands out, where the project leaves that to its platform.
_LISTEN = (
    "import(require('path').resolve({file})).then(m => {{ let a = m.default; a = a.default || a;"
    " const port = process.env.PORT, host = process.env.HOST;"
    " a.ready ? a.listen({{ port, host }}) : a.listen(port, host) }})"
)


def detect(tree: Tree) -> Plan | None:
    """A Node program that answers HTTP, or files that a build leaves.

    Raises NotDetected when package.json can't be read: without it all else would be a wrong guess."""
    package = Package.read(tree)
    if not package.raw:
        _refuse_fault(tree)
        return _bare(tree)
    if package.workspaces and not _own_program(package):
        found = workspaces.detect(package, detect)
        if found:
            return found
    found = nx.detect(package)
    if found:
        return found
    for row in (row for row in ROWS if package.has(*row.packages)):
        plan = _framed(package, row)
        if plan:
            return plan
    return _program(package, None) or _files(package)


def _refuse_fault(tree: Tree) -> None:
    fault = json_fault(tree, "package.json") if tree.has("package.json") else None
    if fault:
        raise fault


def rest(tree: Tree) -> Plan | None:
    """What is left: a package that serves nothing."""
    package = Package.read(tree)
    if not package.raw:
        return None
    why = {"language": "package.json is there", "kind": "nothing of it answers HTTP: a library or a tool"}
    file = start.main(package)
    if file:
        why["entry"] = "it would be run, but nothing shows that it listens"
    return install.apply(package, Plan(language="node", kind="cli", entry=file, why=why))


def _own_program(package: Package) -> bool:
    """A root that starts a program of its own is more than the roof over its workspaces."""
    chosen = start.chosen(package)
    found = start.entry(package) if chosen else None
    return found is not None and "script" in found.evidence and not found.built


def _bare(tree: Tree) -> Plan | None:
    """No package.json: a file that listens is enough."""
    found = start.named(tree)
    if found is None or tree.has(f"{found.file.split('/')[0]}/package.json"):
        return None  # a sub-folder's own project is found there
    why = {"language": f"{found.file} listens, and there is no package.json", "entry": found.evidence}
    plan = Plan(language="node", kind="server", entry=found.file, start=f"node {quote(found.file)}", why=why)
    return _ported(plan, tree)


def _files(package: Package) -> Plan | None:
    """A build of no framework that leaves pages."""
    shape = shapes.files(package) or _published(package)
    return _site(package, None, shape) if shape else None


def _published(package: Package) -> Shape | None:
    """No build that we know, but a host is told where it goes."""
    found = told.output(package.tree)
    if found is None or not (told.build(package.tree) or package.script(*BUILDS)):
        return None
    return Shape(static=found[0], why=f"{found[1]} says so")


def _framed(package: Package, row: Row) -> Plan | None:
    shape = row.formed(package)
    if shape is None:
        return None
    if shape.static is None and shape.start is None:
        return _program(package, row)
    if _serves(package, row):
        return _program(package, (_beside(package) if shape.static else None) or row)
    if shape.static is not None:
        return _site(package, row, shape)
    file = re.match(r"node (?:\./)?(\S+)$", shape.start or "")
    plan = _plan(package, row, start=shape.start, entry=shape.entry or (file.group(1) if file else None))
    plan = dataclasses.replace(plan, env={**plan.env, **dict(shape.variables)})
    plan = _because(plan, "start", shape.why or f"the production server of {row.name}")
    return install.apply(package, _built(package, plan, row, shape), tools=shape.tools)


def asked(tree: Tree) -> str | None:
    """The server framework that package.json names."""
    row = _beside(Package.read(tree))
    return row.name if row else None


def _beside(package: Package) -> Row | None:
    """The framework of the server beside a static build, when package.json names one."""
    return next((row for row in ROWS if row.shape == Shape() and package.has(*row.packages)), None)


def _serves(package: Package, row: Row) -> bool:
    """A start script beside a framework's build is a server of its own when it runs a program of this project."""
    chosen = start.chosen(package)
    if chosen is None or chosen[0] not in ("start", "start:prod", "start:production"):
        return False
    if row.own and re.search(row.own, package.spelled(chosen[1])):
        return False
    found = start.entry(package)
    return found is not None and "script" in found.evidence


def _site(package: Package, row: Row | None, shape: Shape) -> Plan | None:
    found = told.output(package.tree)
    if found:
        shape = dataclasses.replace(shape, static=found[0], why=f"{found[1]} says so")
    plan = _plan(package, row, start=None)
    plan = dataclasses.replace(plan, kind="static", static_dir=shape.static, fallback=shape.fallback)
    plan = _because(plan, "static_dir", shape.why or f"where {row.name if row else 'it'} puts its build")
    plan = _built(package, plan, row, shape)
    line = _told_build(package) if found else None
    if found and line:
        plan = _because(dataclasses.replace(plan, build=line), "build", f"{found[1]} says so")
    if plan.build is None:
        return None
    denied = package.scripts.get("start")
    if denied and is_dev(package.spelled(denied)):
        plan = _because(
            plan, "start", f'"start" is {denied!r}, a development server: built and served as files instead'
        )
    return install.apply(package, plan)


def _told_build(package: Package) -> str | None:
    """The build line that a host is told, by our way to run a script where it is one."""
    line = told.build(package.tree)
    if not line or is_dev(package.spelled(line)) or re.search(r"\b(?:netlify|vercel|ntl)\b", line):
        return None
    script = re.fullmatch(r"(?:npm|yarn|pnpm|bun)(?:\s+run)?\s+([\w:.-]+)", line)
    if script is None:
        return line
    known = script.group(1) in package.scripts
    return install.run(package, install.manager(package), script.group(1)) if known else None


def _program(package: Package, row: Row | None) -> Plan | None:
    """A program of the project's own: its start script, or the file that listens."""
    chosen, found = start.chosen(package), start.entry(package)
    found = start.awaited(package.tree, found) if found else None
    if row is None and _elsewhere(package, chosen, found):
        return None
    known = _started(package, chosen, found)
    if known is None:
        return None
    line, tools, evidence = known
    plan = _plan(package, row, start=None, entry=found.file if found else None)
    if found:
        plan = _because(plan, "entry", found.evidence)
    bot = package.has(*BOTS) if row is None else None
    if bot and not (found and start.listens(package.tree, found.file)):
        plan = _because(dataclasses.replace(plan, kind="worker"), "kind", f"it uses {bot} and serves no HTTP")
    plan = _built(package, plan, row, None)
    plan = _because(dataclasses.replace(plan, start=line), "start", evidence)
    return _ported(install.apply(package, plan, tools=tools), package.tree)


def _started(package: Package, chosen: tuple[str, str] | None, found: start.Entry | None) -> _Line | None:
    if found and found.hands_out:
        return _handed_out(package, found)
    if chosen:
        return _scripted(package, *chosen, found)
    return _filed(package, found) if found else None


def _scripted(package: Package, name: str, text: str, found: start.Entry | None) -> _Line:
    line, evidence = _line(package, name, text), f"package.json's script {name}"
    if found and not found.built and re.search(r"\bbun\b", text):
        return f'PATH="$PWD/{install.TOOLS}/node_modules/.bin:$PATH"; {line}', ("bun",), evidence
    return line, (), evidence


def _filed(package: Package, found: start.Entry) -> _Line:
    runner, tools = _runner(package, found.file)
    return f"{runner} {quote(found.file)}", tools, f"{found.file} listens; no script starts it for production"


def _handed_out(package: Package, found: start.Entry) -> _Line:
    """The project exports an app and nothing of it listens: we do."""
    evidence = f"{found.file} exports an app, and nothing listens for it"
    runner, tools = _runner(package, found.file)
    if found.hands_out == "listen":
        code = _LISTEN.format(file=json.dumps(found.file))
        return f"{runner} -e {quote(code)}", tools, evidence
    if install.manager(package).name == "bun":
        return f"{runner} {quote(found.file)}", tools, evidence  # it serves what is exported by itself
    loader = ""
    if found.file.endswith(("ts", "tsx", "jsx")):
        tools = shapes.missing(package, "tsx")
        loader = "--import tsx " if not tools else f"--import ./{install.TOOLS}/node_modules/tsx/dist/loader.mjs "
    line = f"{shapes.tool(package, 'srvx')} --prod {loader}--host $HOST --port $PORT --entry ./{quote(found.file)}"
    return line, (*tools, *shapes.missing(package, "srvx")), evidence


def _elsewhere(package: Package, chosen: tuple[str, str] | None, found: start.Entry | None) -> bool:
    """It only starts what lies in sub-folders with packages of their own, and does not install those."""
    text = " ; ".join(package.spelled(one) for one in package.scripts.values())
    own = [f for f in package.tree.folders if package.tree.has(f"{f}/package.json")][:20]
    named = [f for f in own if re.search(rf"(?:cd|--prefix|--cwd|-C)[ =](?:\./)?{re.escape(f)}\b", text)]
    if any(re.search(r"\b(?:npm|yarn|pnpm|bun)\s+(?:install|ci|i)\b", text) for _ in named):
        return False
    return bool(named) or (found is not None and "/" in found.file and found.file.split("/")[0] in own)


def _plan(package: Package, row: Row | None, *, start: str | None, entry: str | None = None) -> Plan:
    named = package.has(*row.packages) if row else None
    why = {"language": "package.json is there"}
    if named:
        why["framework"] = f"package.json names {named}"
    env = {"NODE_ENV": "production"}
    return Plan(
        language="node",
        kind="server",
        framework=row.name if row else None,
        entry=entry,
        port=row.port if row else None,
        start=start,
        env=env,
        why=why,
    )


def _built(package: Package, plan: Plan, row: Row | None, shape: Shape | None) -> Plan:
    """Add the build line: the project's own script, else the framework's."""
    known = _build_line(package, row, shape.build_args if shape else "")
    if known is None:
        return plan
    line, evidence = known
    if shape and shape.env:
        line = f"export {shape.env}; {shape.before}{line}"
    if package.has("@prisma/client") and "prisma generate" not in package.spelled(
        " && ".join(package.scripts.values())
    ):
        line = f"npx prisma generate && {line}"
    caches = (*CACHES, *(row.caches if row else ()))
    return _because(dataclasses.replace(plan, build=line, caches=caches), "build", evidence)


def _build_line(package: Package, row: Row | None, arguments: str) -> tuple[str, str] | None:
    """The line, and what says so."""
    script = package.script(*(row.scripts if row else BUILDS))
    if script and not is_dev(package.spelled(script[1])):
        line = install.run(package, install.manager(package), script[0])
        return f"{line} -- {arguments}" if arguments else line, f"package.json's script {script[0]}"
    if row and row.build:
        return f"{row.build} {arguments}".strip(), f"how {row.name} builds"
    return None


def _line(package: Package, name: str, text: str) -> str:
    """The script itself where npm would add nothing: it starts sooner and stops cleanly."""
    hooked = f"pre{name}" in package.scripts or f"post{name}" in package.scripts
    if hooked or "npm_" in text:
        return f"npm run {name}"
    return package.spelled(text) if re.fullmatch(r"npm(?: run)? [\w:.-]+", text) else text


def _runner(package: Package, file: str) -> tuple[str, tuple[str, ...]]:
    """What runs a file, and the tools to add for it."""
    bun = install.manager(package).name == "bun"
    if not file.endswith(("ts", "tsx", "jsx")) and not bun:
        return "node", ()
    tool = "bun" if bun else "tsx"
    if package.has(tool):
        return tool, ()
    return f"{install.TOOLS}/node_modules/.bin/{tool}", (tool,)


def _ported(plan: Plan, tree: Tree) -> Plan:
    """The port that the code falls back to is a better hint than the framework's."""
    found = start.port(tree, plan.entry) if plan.entry else None
    if found is None:
        return plan
    return _because(dataclasses.replace(plan, port=found[0]), "port", f"{found[1]} falls back to {found[0]}")


def _because(plan: Plan, field: str, evidence: str) -> Plan:
    return dataclasses.replace(plan, why={**plan.why, field: evidence})
