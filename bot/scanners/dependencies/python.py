"""What Python's files say a project depends on."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.scanners.dependencies.dependency import Dependency, exact, normal
from bot.scanners.dependencies.marks import Marks
from bot.scanners.dependencies.parts import Broken, host, listed, parsed_json, table

USUAL = frozenset({"pypi.org", "files.pythonhosted.org", "pypi.python.org"})
LONGEST = 4096  # letters of one line, and lines that are one
CANDIDATES = 4  # lines after [[package]] that are looked at for its name

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)", re.DOTALL)
_PINNED = re.compile(r"(?:^|,)\s*\(?\s*={2,3}\s*([^\s,;()*]+)\s*\)?\s*(?=,|$)")
_POETRY_PINNED = re.compile(r"(?:==?\s*)?(\d[^\s,*^~<>|]*)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_EGG = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:|\.{0,2}/|[^\s@]*\.(?:whl|zip|tar\.gz)(?:\s|$))", re.IGNORECASE)
_VIA = re.compile(r"#\s*via\s*(.*)")


def requirements(path: str, text: str) -> Iterator[Dependency]:
    """requirements.txt and its kin; what it includes by -r or -c is read under its own name."""
    written = _written(text)
    for at, (number, line) in enumerate(written):
        bare = _COMMENT.sub("", line).strip()
        if bare.startswith(("-e ", "--editable")):
            bare = bare.partition(" ")[2].strip()
        if not bare or bare.startswith("-"):
            continue
        direct = not _for_others([bit for _, bit in written[at : at + CANDIDATES]])
        one = _requirement(bare.split(" --")[0].strip(), path, number, direct, egg=line)
        if one is not None:
            yield one


def _written(text: str) -> list[tuple[int, str]]:
    """Lines as pip takes them, with the number of their first: a backslash at the end goes on."""
    found: list[tuple[int, str]] = []
    begun: tuple[int, list[str]] | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        for bit in raw.splitlines() or [""]:  # pip also breaks where an editor shows no line
            start, parts = begun or (number, [])
            if len(bit) > LONGEST or len(parts) > LONGEST:
                raise Broken(f"line {number} has no end")
            if bit.endswith("\\") and not bit.lstrip().startswith("#"):
                parts.append(bit[:-1])
                begun = (start, parts)
                continue
            found.append((start, " ".join([*parts, bit]) if parts else bit))
            begun = None
    if begun:
        found.append((begun[0], " ".join(begun[1])))
    return found


def _for_others(lines: Sequence[str]) -> bool:
    """pip-compile's note under a name says that only other packages want it."""
    for at, line in enumerate(lines):
        via = _VIA.search(line)
        if via and (at == 0 or line.lstrip().startswith("#")):
            wants = via[1] or (lines[at + 1].lstrip(" #") if at + 1 < len(lines) else "")
            return bool(wants) and not wants.startswith(("-r", "-c")) and "(pyproject" not in wants
        if at and not line.lstrip().startswith("#"):
            return False
    return False


def _requirement(text: str, path: str, line: int, direct: bool = True, egg: str = "") -> Dependency | None:
    """A name as PEP 508 has it.  None: a place on this machine, or an address without a name."""
    if _ADDRESS.match(text):
        named = _EGG.search(egg)
        name = normal("pip", named[1]) if named else None
        return Dependency("pip", name, None, path, line, direct, host(text) or "git") if name else None
    found = _NAMED.fullmatch(text)
    name = normal("pip", found[1]) if found else None
    if found is None or name is None:
        raise Broken(f"line {line} names no package")
    rest = found[2].strip()
    if rest.startswith("@"):
        where = rest[1:].strip()
        local = where.startswith(("file:", ".", "/")) or "{root" in where
        return None if local else Dependency("pip", name, None, path, line, direct, host(where) or "git")
    if rest and rest[0] not in "<>=!~(;,":
        raise Broken(f"line {line} can't be read")
    pinned = _PINNED.search(rest.partition(";")[0].strip())
    return Dependency("pip", name, exact(pinned[1]) if pinned else None, path, line, direct)


def pyproject(path: str, text: str) -> Iterator[Dependency]:
    tree, marks = _toml(text), Marks.of_toml(text)
    sources = table(table(table(tree.get("tool")).get("uv")).get("sources"))
    elsewhere = {normal("pip", name): table(where) for name, where in sources.items()}
    for header, words in _lists(tree):
        for word in words:
            if not isinstance(word, str):
                continue
            one = _requirement(word.strip(), path, marks.line(word, marks.header(header)))
            if one is not None and (one := _from(one, elsewhere.get(one.name, {}))) is not None:
                yield one
    poetry = table(table(tree.get("tool")).get("poetry"))
    groups = {f"tool.poetry.group.{name}": table(group) for name, group in table(poetry.get("group")).items()}
    yield from _poetry(path, marks, "tool.poetry.dependencies", table(poetry.get("dependencies")))
    yield from _poetry(path, marks, "tool.poetry.dev-dependencies", table(poetry.get("dev-dependencies")))
    for header, group in groups.items():
        yield from _poetry(path, marks, f"{header}.dependencies", table(group.get("dependencies")))


def _lists(tree: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The lists of requirements and the headers that they stand under."""
    project, tool = table(tree.get("project")), table(tree.get("tool"))
    yield "build-system", listed(table(tree.get("build-system")).get("requires"))
    yield "project", listed(project.get("dependencies"))
    for words in table(project.get("optional-dependencies")).values():
        yield "project.optional-dependencies", listed(words)
    for words in table(tree.get("dependency-groups")).values():
        yield "dependency-groups", listed(words)
    yield "tool.uv", listed(table(tool.get("uv")).get("dev-dependencies"))


def _from(one: Dependency, where: Mapping[str, Any]) -> Dependency | None:
    """The same, but from the place that a table names; None for a place in the repository itself."""
    if any(key in where for key in ("path", "directory", "workspace", "editable", "virtual", "develop")):
        return None
    address = where.get("git") or where.get("url") or where.get("file")
    index = where.get("index") or where.get("source")
    if address is None and isinstance(index, str) and index.lower() != "pypi":
        return dataclasses.replace(one, source=f"the index {index}")
    if address is None:
        return one
    return dataclasses.replace(one, source=host(str(address)) or "git")


def _poetry(path: str, marks: Marks, header: str, wanted: Mapping[str, Any]) -> Iterator[Dependency]:
    """Tables of names: Poetry's and Pipenv's."""
    for raw, asked in wanted.items():
        name = normal("pip", raw)
        if raw.lower() == "python":
            continue
        line = marks.line(raw, marks.header(header)) or marks.header(f"{header}.{raw}")
        if name is None:
            raise Broken(f"line {line} names no package")
        where = table(asked)
        version = where.get("version", asked)
        pinned = _POETRY_PINNED.fullmatch(version.strip()) if isinstance(version, str) else None
        one = Dependency("pip", name, exact(pinned[1]) if pinned else None, path, line, direct=True)
        if (placed := _from(one, where)) is not None:
            yield placed


def pipfile(path: str, text: str) -> Iterator[Dependency]:
    tree, marks = _toml(text), Marks.of_toml(text)
    for header in ("packages", "dev-packages"):
        yield from _poetry(path, marks, header, table(tree.get(header)))


def pipfile_lock(path: str, text: str) -> Iterator[Dependency]:
    tree, marks = parsed_json(text), Marks.of_json(text)
    for section in ("default", "develop"):
        for raw, told in table(tree.get(section)).items():
            name, version = normal("pip", raw), table(told).get("version")
            number = version.removeprefix("==") if isinstance(version, str) else None
            line = marks.line(raw, marks.line(section))
            if name is None:
                raise Broken(f"line {line} names no package")
            one = _from(Dependency("pip", name, exact(number), path, line, direct=False), table(told))
            if one is not None:
                yield one


def lock(path: str, text: str) -> Iterator[Dependency]:
    """uv.lock and poetry.lock."""
    packages, headers = listed(_toml(text).get("package")), Marks.of_toml(text).headers["package"]
    lines = text.split("\n") if len(headers) == len(packages) else []
    for at, told in enumerate(map(table, packages)):
        name = normal("pip", str(told.get("name")))
        if name is None:
            raise Broken(f"package {at + 1} has no name")
        where = table(told.get("source"))
        if where.get("type") in ("directory", "file"):
            continue
        line = _named_at(lines, headers[at]) if lines else 0
        registry = where.get("registry") or (where.get("url") if where.get("type") == "legacy" else None)
        one = Dependency("pip", name, exact(told.get("version")), path, line, direct=False)
        if registry is not None:
            source = host(str(registry)) or ""
            yield one if source in USUAL else dataclasses.replace(one, source=source)
        elif (placed := _from(one, where)) is not None:
            yield placed


def _named_at(lines: Sequence[str], header: int) -> int:
    """Where the name of a package stands whose header is on that line."""
    after = lines[header : header + CANDIDATES]
    return next((header + 1 + at for at, line in enumerate(after) if line.lstrip().startswith("name")), header)


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise Broken("is no TOML") from error
