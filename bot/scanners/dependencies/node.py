"""What Node's files say a project depends on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.scanners.dependencies.dependency import Dependency, exact, normal
from bot.scanners.dependencies.marks import Marks
from bot.scanners.dependencies.parts import Broken, host, parsed_json, table

USUAL = frozenset({"registry.npmjs.org", "registry.yarnpkg.com"})
SECTIONS = ("dependencies", "devDependencies", "optionalDependencies")
DEEPEST = 64  # folders of node_modules inside each other

_PINNED = re.compile(r"[=v\s]*(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)\s*")
_LOCAL = ("file:", "link:", "workspace:", "portal:", ".", "/", "~/")
_GIT = re.compile(r"(?:git[+:@]|git:|ssh:|github:|gitlab:|bitbucket:|gist:|[\w.-]+/[\w.#-]+$)", re.IGNORECASE)
_YARN_KEY = re.compile(r'"?((?:@[^@/"\s]+/)?[^@/"\s]+)@([^",]*)')
_YARN_FIELD = re.compile(r'  "?(version|resolved|resolution)"?:? "?([^"\s]+)"?\s*$')
_PNPM_KEY = re.compile(r"""  ['"]?/?((?:@[^@/'"]+/)?[^@/'"]+)[@/]([0-9][^('":/]*)""")


def package_json(path: str, text: str) -> Iterator[Dependency]:
    tree, marks = parsed_json(text), Marks.of_json(text)
    for section in SECTIONS:
        start = marks.line(section)
        for raw, asked in table(tree.get(section)).items():
            one = _asked(raw, asked if isinstance(asked, str) else "", path, marks.line(raw, start))
            if one is not None:
                yield one


def _asked(raw: str, asked: str, path: str, line: int) -> Dependency | None:
    """One line of package.json.  None: it is in the repository itself."""
    if asked.startswith("npm:"):  # another name for a package
        raw, _, asked = asked[4:].rpartition("@") if "@" in asked[5:] else (asked[4:], "", "")
    name = normal("npm", raw)
    if name is None:
        raise Broken(f"line {line} names no package")
    if asked.startswith(_LOCAL):
        return None
    source = host(asked) or ("git" if _GIT.match(asked) else "")
    pinned = _PINNED.fullmatch(asked)
    return Dependency("npm", name, exact(pinned[1]) if pinned else None, path, line, direct=True, source=source)


def package_lock(path: str, text: str) -> Iterator[Dependency]:
    tree, marks = parsed_json(text), Marks.of_json(text)
    if "packages" not in tree:
        yield from _old_lock(path, marks, table(tree.get("dependencies")))
        return
    for key, told in table(tree.get("packages")).items():
        folder, inside, raw = key.rpartition("node_modules/")
        about = table(told)
        if not inside or about.get("link") is True or folder.count("node_modules/") > DEEPEST:
            continue
        name, line = normal("npm", str(about.get("name") or raw)), marks.line(key)
        if name is None:
            raise Broken(f"line {line} names no package")
        yield _locked(name, about.get("version"), about.get("resolved"), path, line)


def _old_lock(path: str, marks: Marks, tree: Mapping[str, Any]) -> Iterator[Dependency]:
    """npm 6: packages inside packages."""
    left = [(tree, 0)]
    while left:
        level, depth = left.pop()
        for raw, told in level.items():
            about, line = table(told), marks.line(raw)
            name = normal("npm", raw)
            if name is None:
                raise Broken(f"line {line} names no package")
            yield _locked(name, about.get("version"), about.get("resolved"), path, line)
            if depth < DEEPEST and "dependencies" in about:
                left.append((table(about["dependencies"]), depth + 1))


def _locked(name: str, version: object, resolved: object, path: str, line: int) -> Dependency:
    address = resolved if isinstance(resolved, str) else ""
    where = host(address) or ""
    source = "git" if address.startswith("git") else "" if where in USUAL else where
    return Dependency("npm", name, exact(version), path, line, direct=False, source=source)


def yarn_lock(path: str, text: str) -> Iterator[Dependency]:
    """yarn.lock: version 1 and, as far as the lines look alike, its followers."""
    begun: tuple[str, int] | None = None
    fields: dict[str, str] = {}
    for number, raw in enumerate([*text.split("\n"), "end:"], 1):
        line = raw.rstrip("\r")
        if line[:1].strip() and not line.startswith("#"):
            if begun and "version" in fields:
                yield _locked(begun[0], fields["version"], fields.get("resolved"), path, begun[1])
            begun, fields = _yarn_head(line, number), {}
        elif found := _YARN_FIELD.match(line):
            fields.setdefault(found[1], found[2])


def _yarn_head(line: str, number: int) -> tuple[str, int] | None:
    found = _YARN_KEY.match(line)
    if found is None or not line.endswith(":"):
        return None
    raw, asked = found[1], found[2].removesuffix(":")
    if asked.startswith((*_LOCAL, "patch:")):
        return None
    if asked.startswith("npm:") and "@" in asked[5:]:  # another name for it
        raw = asked[4:].rpartition("@")[0]
    name = normal("npm", raw)
    if name is None:
        raise Broken(f"line {number} names no package")
    return name, number


def pnpm_lock(path: str, text: str) -> Iterator[Dependency]:
    """pnpm-lock.yaml by its lines: the keys below `packages:` are names with versions."""
    inside = False
    for number, raw in enumerate(text.split("\n"), 1):
        if raw[:1].strip():
            inside = raw.rstrip() == "packages:"
            continue
        found = _PNPM_KEY.match(raw) if inside else None
        if found is None:
            continue
        name = normal("npm", found[1])
        if name is None:
            raise Broken(f"line {number} names no package")
        yield Dependency("npm", name, exact(found[2].strip().split("_")[0]), path, number, direct=False)
