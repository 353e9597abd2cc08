"""What files give away in any language: versions that a project asks for, ports that it names; words of a shell."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from runners.frameworks.tree import ASIDE, Tree, folder_of

NUMBER = re.compile(r"\d+(?:\.\d+){0,2}")
MAX_SOURCES = 40  # files of one language that are read

_PORTS = (
    re.compile(
        r"""(?i)\bport\b["')\]]*\s*(?:[=:|?,]|\.unwrap_or\w*|or\b){1,3}[\s\w:.&|("'`?]{0,24}?["'(\s:]?(\d{4,5})\b"""
    ),
    re.compile(r"""["'`](?:https?://)?[\w.*\[\]-]{0,40}:(\d{2,5})/?["'`]"""),
    re.compile(
        r"""(?i)(?:listen|serve|run|start|bind|ServerSocket|SocketAddress)\w*\(\s*(?:[\w.:]+,\s*)?(\d{4,5})\b"""
    ),
)


def framework(rows: Iterable[tuple[str, str]], held: Container[str]) -> str | None:
    """The name of the first row whose word is held: by a manifest's text, or among what it asks for."""
    return next((name for word, name in rows if word in held), None)


def evidence(**told: str | None) -> dict[str, str]:
    """What speaks for each field, without the fields that nothing speaks for."""
    return {field: said for field, said in told.items() if said}


def port_in(text: str, otherwise: int) -> int:
    """The first port that a source file seems to listen on."""
    for pattern in _PORTS:
        for found in pattern.finditer(text[:100_000]):
            if 0 < int(found.group(1)) < 65536:
                return int(found.group(1))
    return otherwise


def version_file(tree: Tree, *names: str) -> str | None:
    """The number in the first of these files that has one: `.ruby-version` says `ruby-3.2.1`."""
    return next((found.group() for name in names if (found := NUMBER.search(tree.text(name)[:200]))), None)


def version_tool(tree: Tree, *tools: str) -> str | None:
    """What `.tool-versions` or mise asks of one of these tools."""
    for line in tree.text(".tool-versions").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] in tools and (found := NUMBER.search(words[1])):
            return found.group()
    for name in ("mise.toml", ".mise.toml"):
        asked = tree.toml(name).get("tools")
        table = asked if isinstance(asked, dict) else {}
        for value in (table.get(tool) for tool in tools):
            value = value.get("version") if isinstance(value, dict) else value
            if isinstance(value, str) and (found := NUMBER.search(value)):
                return found.group()
    return None


def sources(tree: Tree, *endings: str, depth: int = 4) -> list[str]:
    """Files of the program itself, shallowest first, as many as may be read."""
    found: list[str] = []
    for name in tree.ending(*endings, depth=depth):
        if ASIDE.isdisjoint(folder_of(name).split("/")):
            found.append(name)
        if len(found) == MAX_SOURCES:
            break
    return found


def mentions(tree: Tree, names: Iterable[str], pattern: re.Pattern[str]) -> str | None:
    """The first of these files whose text has the pattern."""
    return next((name for name in names if pattern.search(tree.text(name))), None)


def program(tree: Tree) -> str:
    """What a build calls the program that it makes: no folder may have that name."""
    return "server.bin" if "server" in tree.folders else "server"


def made_up(name: str, prefix: str = "") -> str:
    """A shell assignment: what the environment has, else new random text for this life of the program."""
    if prefix:
        return f'{name}="${{{name}:-{prefix}$(head -c 32 /dev/urandom | base64)}}"'
    return f'{name}="${{{name}:-$(od -An -v -N48 -tx1 /dev/urandom | tr -d " \\n")}}"'


def with_pages(tree: Tree, build: str | None, npm: str = "npm install --no-audit --no-fund") -> str | None:
    """A build that also makes what a package.json beside it builds for browsers."""
    scripts = tree.json("package.json").get("scripts")
    if not isinstance(scripts, dict) or "build" not in scripts:
        return build
    pages = f"{npm} && npm run build"
    return f"{pages} && {build}" if build else pages
