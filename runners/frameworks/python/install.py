"""Which files say what a Python project needs, and the uv lines that install it into the ready environment."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Callable, Iterable
from shlex import quote
from typing import Any

from runners.base import Plan
from runners.frameworks.manifest import toml_fault
from runners.frameworks.python import conda, locks
from runners.frameworks.python.rows import SERVERS
from runners.frameworks.tree import Tree, folder_of

REQUIREMENTS = (
    "requirements.txt",
    *(f"requirements/{name}.txt" for name in ("production", "prod", "base", "main", "requirements")),
    *("requirements-prod.txt", "requirements_prod.txt", "requirements.lock", "requirements.in"),
    *(
        "requirement.txt",
        "Requirements.txt",
        "requirements.text",
        "requirments.txt",
        "requirements.txt.txt",
    ),  # misspelt
)
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")
MANIFESTS = (*REQUIREMENTS, "pyproject.toml", "Pipfile", "setup.py", "setup.cfg", "uv.lock", *conda.FILES)

_NAME = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)")
_INCLUDE = re.compile(r"^[ \t]*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)", re.MULTILINE)
_LOCAL = re.compile(r"^[ \t]*(?:(?:-e|--editable)[ =]+|\.{1,2}(?:/|[ \t]*$)|file:|\S+[ \t]*@[ \t]*file:)", re.MULTILINE)
_PEP723 = re.compile(r"(?m)^# /// script\s*$\n((?:^#(?:| .*)$\n)+?)^# ///\s*$")
_VERSION = re.compile(r"(?<!\d)(\d{1,4}\.\d{1,4})")


@dataclasses.dataclass(frozen=True, slots=True)
class Needs:
    """What a project says it needs."""

    manager: str
    evidence: str
    install: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    names: frozenset[str] = frozenset()  # of the packages asked for, normalised
    in_tree: bool = False


def needs(tree: Tree) -> Needs | None:
    """Read the strongest manifest: a lock, then requirements, then looser ones.  None: the project has none.

    Raises NotDetected when that one can't be read."""
    found = next((found for source in SOURCES if (found := source(tree))), None)
    unused = [name for name in LOCKS if tree.has(name) and found and name not in found.evidence]
    if found is None or not unused or any(name in found.evidence for name in LOCKS):
        return found
    return dataclasses.replace(found, evidence=f"{found.evidence}; {unused[0]} is stale or can't be read: left out")


def has_manifest(tree: Tree, folder: str = "") -> bool:
    """The folder says itself which packages it needs."""
    at = f"{folder}/" if folder else ""
    return any(tree.has(at + name) for name in MANIFESTS)


def apply(plan: Plan, found: Needs) -> Plan:
    return dataclasses.replace(
        plan,
        package_manager=found.manager,
        manifests=found.manifests,
        files=dict(found.files),
        install=found.install,
        install_in_tree=found.in_tree,
        why={**plan.why, "package_manager": found.evidence},
    )


def missing(names: Iterable[str], had: frozenset[str]) -> tuple[str, ...]:
    """Those packages that the project does not ask for itself."""
    return tuple(name for name in names if normal(name) not in had)


def line_needs(line: str, had: frozenset[str]) -> tuple[str, ...]:
    """Packages for the servers that a command line starts and the project forgot to name."""
    words = set(re.split(r"[\s;&|]+", line))
    return missing([package for word, package in SERVERS.items() if word in words], had)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def version(tree: Tree, text: str = "") -> tuple[str, str] | None:
    """The Python that is asked for, and by what.  A lower bound names itself: it is what the author tried.

    `text` is that of a script, which may say it in its own head."""
    own = re.search(r"^requires-python\s*=\s*[\"']([^\"'\n]+)", _head(text) or "", re.MULTILINE)
    found = _VERSION.search(own.group(1)) if own else None
    if own and found:
        return found.group(1), f"the script says requires-python {own.group(1)}"
    for name in (".python-version", "runtime.txt"):
        found = _VERSION.search(tree.text(name))
        if found:
            return found.group(1), f"{name} says {found.group(0)}"
    project = table(tree.toml("pyproject.toml"), "project")
    asked = project.get("requires-python")
    found = _VERSION.search(asked) if isinstance(asked, str) else None
    if found:
        return found.group(1), f"pyproject.toml says requires-python {asked}"
    asked = table(tree.toml("Pipfile"), "requires").get("python_version")
    return (asked, f"Pipfile says {asked}") if isinstance(asked, str) and _VERSION.fullmatch(asked) else None


def table(raw: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        raw = raw.get(key) if isinstance(raw.get(key), dict) else {}  # type: ignore[assignment]
    return raw


def _raw(tree: Tree, name: str) -> dict[str, Any]:
    """A TOML manifest that there is no other beside.  Raises NotDetected when it is broken."""
    fault = toml_fault(tree, name)
    if fault:
        raise fault
    return tree.toml(name)


def _uv(tree: Tree) -> Needs | None:
    if not (tree.has("uv.lock") and tree.has("pyproject.toml")):
        return None
    raw = _raw(tree, "pyproject.toml")
    names = _project_names(raw)
    locked = set(re.findall(r'^name = "([^"]+)"', tree.text("uv.lock"), re.MULTILINE))
    stale = sorted(name for name in names if name not in locked)
    sources = table(raw, "tool", "uv", "sources").values()
    in_tree = any(isinstance(s, dict) and {"path", "workspace"} & set(s) for s in sources)
    in_tree = in_tree or bool(table(raw, "tool", "uv", "workspace"))
    if stale:
        lines: tuple[str, ...] = ("uv pip install -r pyproject.toml",)
        evidence = f"uv.lock is stale (it has no {stale[0]}), so pyproject.toml is used"
    else:
        out = locks.NAME
        lines = (
            f"uv export --frozen --quiet --no-dev --no-emit-project --output-file {out}",
            f"uv pip install -r {out}",
        )
        evidence = "uv.lock beside pyproject.toml"
    return Needs("uv", evidence, lines, ("pyproject.toml", "uv.lock"), names=frozenset(names), in_tree=in_tree)


def _poetry(tree: Tree) -> Needs | None:
    return _toml_lock(tree, "poetry.lock", "poetry")


def _pdm(tree: Tree) -> Needs | None:
    return _toml_lock(tree, "pdm.lock", "pdm")


def _toml_lock(tree: Tree, name: str, manager: str) -> Needs | None:
    if not tree.has(name):
        return None
    names = _project_names(tree.toml("pyproject.toml"))
    return _locked(locks.from_toml(tree.toml(name)), names, name, manager)


def _pipenv(tree: Tree) -> Needs | None:
    if not tree.has("Pipfile.lock"):
        return None
    names = {normal(name) for name in table(tree.toml("Pipfile"), "packages")}
    return _locked(locks.from_pipfile(tree.text("Pipfile.lock")), names, "Pipfile.lock", "pipenv")


def _locked(text: str | None, names: set[str], name: str, manager: str) -> Needs | None:
    """A converted lock, unless it lacks what the manifest asks for."""
    if not text:
        return None
    locked = _line_names(text)
    if names - locked:
        return None
    return Needs(
        manager,
        f"{name}, read as {locks.NAME}",
        (f"uv pip install -r {locks.NAME}",),
        files=((locks.NAME, text),),
        names=frozenset(locked),
    )


def _pip(tree: Tree) -> Needs | None:
    name = tree.first(*REQUIREMENTS)
    if name is None:
        loose = [n for n in tree.ending(".txt", depth=0) if n.startswith("requirements")]
        name = next((n for n in loose if not re.search(r"dev|test|doc|lint|ci", n)), None)
    if name is None:
        return None
    manifests = _with_includes(tree, name)
    text = "\n".join(tree.text(one) for one in manifests)
    copies = tuple((one, tree.text(one)) for one in manifests if tree.recoded(one))
    local = _LOCAL.search(text) is not None
    whole = "--no-editable " if local else ""  # the layer is moved and shared: nothing may point back into it
    install = (f"uv pip install {whole}-r {quote(name)}",) if _line_names(text) or local else ()
    evidence = f"{name} is there" + (", in another encoding than UTF-8: a copy is used" if copies else "")
    names = frozenset(_line_names(text))
    manager = "rye" if name == "requirements.lock" else "pip"
    return Needs(manager, evidence, install, manifests, copies, names, in_tree=local)


def _with_includes(tree: Tree, name: str) -> tuple[str, ...]:
    """A requirements file and those it names with -r and -c."""
    found: list[str] = []
    waiting = [name]
    while waiting and len(found) < 20:
        one = waiting.pop()
        if one in found or not tree.has(one):
            continue
        found.append(one)
        folder = folder_of(one)
        waiting += [posixpath.normpath(posixpath.join(folder, more)) for more in _INCLUDE.findall(tree.text(one))]
    return tuple(found)


def _pyproject(tree: Tree) -> Needs | None:
    raw = _raw(tree, "pyproject.toml")
    if table(raw, "project"):
        return _standard(raw)
    entries = table(raw, "tool", "poetry", "dependencies")
    wanted = {name: value for name, value in entries.items() if name != "python"}
    return _loose("poetry", "pyproject.toml [tool.poetry]", wanted) if table(raw, "tool", "poetry") else None


def _standard(raw: dict[str, Any]) -> Needs:
    manager = next((m for m in ("poetry", "pdm", "hatch", "rye", "uv") if m in table(raw, "tool")), "uv")
    manager = "uv" if manager == "hatch" else manager
    names = frozenset(_project_names(raw))
    dynamic = raw["project"].get("dynamic")
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        evidence = "pyproject.toml, whose dependencies are made by its build"
        return Needs(manager, evidence, ("uv pip install .",), ("pyproject.toml",), names=names, in_tree=True)
    install = ("uv pip install -r pyproject.toml",) if names else ()
    return Needs(manager, "pyproject.toml [project]", install, ("pyproject.toml",), names=names)


def _pipfile(tree: Tree) -> Needs | None:
    if not tree.has("Pipfile"):
        return None
    return _loose("pipenv", "Pipfile", table(_raw(tree, "Pipfile"), "packages"))


def _loose(manager: str, evidence: str, wanted: dict[str, Any]) -> Needs:
    """A manifest that uv can't read itself, as requirements."""
    lines = [locks.requirement(name, value) for name, value in wanted.items()]
    text = "".join(f"{line}\n" for line in lines if line)
    return Needs(
        manager,
        f"{evidence}, read as {locks.NAME} (no lock)",
        (f"uv pip install -r {locks.NAME}",) if text else (),
        files=((locks.NAME, text),) if text else (),
        names=frozenset(map(normal, wanted)),
    )


def _setup(tree: Tree) -> Needs | None:
    name = tree.first("setup.py", "setup.cfg")
    if name is None:
        return None
    names = frozenset(_line_names(re.sub(r"['\",\[\]]", "\n", tree.text(name))))
    return Needs("pip", f"{name} is there", ("uv pip install .",), (name,), names=names, in_tree=True)


def _conda(tree: Tree) -> Needs | None:
    name = tree.first(*conda.FILES)
    if name is None:
        return None
    wanted, left = conda.requirements(tree.text(name))
    text = "".join(f"{one}\n" for one in wanted)
    evidence = f"{name}, read as {locks.NAME}" + (
        f"; left out, as PyPI may not have it: {', '.join(left)}" if left else ""
    )
    install = (f"uv pip install -r {locks.NAME}",) if text else ()
    files = ((locks.NAME, text),) if text else ()
    return Needs("conda", evidence, install, files=files, names=frozenset(_line_names(text)))


def script_needs(text: str, file: str) -> Needs | None:
    """A script that names its dependencies in its own head (PEP 723)."""
    head = _head(text)
    if head is None:
        return None
    listed = re.search(r"dependencies\s*=\s*\[(.*?)\]", head, re.DOTALL)
    wanted = re.findall(r"[\"']([^\"'\n]+)[\"']", listed.group(1)) if listed else []
    text = "".join(f"{one}\n" for one in wanted)
    install = (f"uv pip install -r {locks.NAME}",) if wanted else ()
    names = frozenset(_line_names(text))
    return Needs("uv", f"{file} names its dependencies itself", install, files=((locks.NAME, text),), names=names)


def _head(text: str) -> str | None:
    """What a script says of itself, as TOML; None: nothing."""
    found = _PEP723.search(text[:20_000])
    return "\n".join(line[2:] for line in found.group(1).splitlines()) if found else None


def _project_names(raw: dict[str, Any]) -> set[str]:
    listed = table(raw, "project").get("dependencies")
    names = _line_names("\n".join(map(str, listed))) if isinstance(listed, list) else set()
    return names | {normal(n) for n in table(raw, "tool", "poetry", "dependencies") if n != "python"}


def _line_names(text: str) -> set[str]:
    return {normal(found.group(1)) for line in text.splitlines() if (found := _NAME.match(line))}


SOURCES: tuple[Callable[[Tree], Needs | None], ...] = (
    _uv,
    _poetry,
    _pdm,
    _pipenv,
    _pip,
    _pyproject,
    _pipfile,
    _setup,
    _conda,
)
