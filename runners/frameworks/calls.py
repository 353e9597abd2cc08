"""How a front end calls its back end: what its development server hands on, and the variables that hold an address."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from runners.frameworks.tree import Tree, words

FILES = (
    *(".ts", ".tsx", ".js", ".jsx", ".mjs", ".vue", ".svelte", ".astro", ".html"),
    *(".env", ".env.example", ".env.development", ".env.production", ".env.local", ".env.sample"),
)

_CONFIGS = (
    *(f"vite.config.{ending}" for ending in ("ts", "js", "mjs", "mts")),
    *("vue.config.js", "webpack.config.js", "rsbuild.config.ts", "nuxt.config.ts"),
)
_CODE_CONFIGS = ("src/setupProxy.js", "setupProxy.js")
_JSON_CONFIGS = ("proxy.conf.json", "src/proxy.conf.json", "proxy.conf.js", "src/proxy.conf.js")
_NEXT = tuple(f"next.config.{ending}" for ending in ("js", "mjs", "ts"))
_COMMENT = re.compile(r"^[ \t]*//[^\n]*$", re.MULTILINE)
_TABLE = re.compile(r"\bproxy[\"']?\s*[:=]\s*\{")
_KEY = re.compile(r"[\"'`]\^?(/[\w-]+(?:/[\w-]+)*)/?(?:\*\*?|\.\*)?[\"'`]\s*:(?!\s*[\"'`]{2})")
_USED = re.compile(r"(?:\.use|createProxyMiddleware)\(\s{0,40}\[?\s{0,40}[\"'`](/[\w-]+(?:/[\w-]+)*)")
_SOURCE = re.compile(
    r"source\s*:\s*[\"'`](/[\w-]+(?:/[\w-]+)*)/:\w+\*[\"'`]\s*,\s*destination\s*:\s*[\"'`]"
    r"(?:https?://[^/\"'`$]*|\$\{[^}]{1,80}\})([^\"'`]*)"
)
_CUT = re.compile(r"[rR]ewrite\b.{0,80}?\^?\\?/[^,:]{1,60}[,:]\s*[\"'`]/?[\"'`]", re.DOTALL)
_REWRITES = re.compile(r"[rR]ewrite\b")
_IN_REWRITE = re.compile(r"[rR]ewrite[\"']?\s*:\s*\{[^{}]*$")
_NO_API = words("/ws /socket.io /sockjs-node /hmr /static /uploads /media /images /assets")

_PUBLIC = re.compile(
    r"\b(?:VITE|REACT_APP|NEXT_PUBLIC|PUBLIC|NUXT_PUBLIC|VUE_APP|GATSBY|NG_APP)_([A-Z0-9]{1,30}(?:_[A-Z0-9]{1,30}){0,5})\b"
)
_ADDRESS = words("API BACKEND SERVER")
_USUAL = words("API BACKEND SERVER URL URI BASE ENDPOINT ROOT HOST ORIGIN PATH BASEURL APP REST HTTP")
_OTHER = words("KEY TOKEN SECRET ID VERSION TIMEOUT MODE NAME PORT WS SOCKET WEBSOCKET PREFIX")
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d{2,5})?(?=[/\"'`\s?]|$)")
_HERE = "/."  # the address itself, in a form that `VALUE || "http://localhost"` does not take for nothing


@dataclasses.dataclass(frozen=True, slots=True)
class Handed:
    """A path that the development server passes to the back end."""

    path: str
    strip: bool
    file: str


def handed_on(tree: Tree) -> Handed | None:
    """What a front end's configuration says; `/api` before others."""
    found = sorted(_handed(tree), key=lambda one: (one.path in _NO_API, not one.path.startswith("/api")))
    return found[0] if found and found[0].path not in _NO_API else None


def _handed(tree: Tree) -> Iterator[Handed]:
    for name in (*_CONFIGS, *_JSON_CONFIGS):
        text = _COMMENT.sub("", tree.text(name))
        table = _TABLE.search(text)
        if table or name in _JSON_CONFIGS:
            yield from _keys(name, text[table.end() if table else 0 :][:4000])
    for name in _CODE_CONFIGS:
        text = _COMMENT.sub("", tree.text(name))[:20_000]
        cut = bool(_CUT.search(text))
        yield from (Handed(one.group(1), cut, name) for one in _USED.finditer(text))
    for name in _NEXT:
        for one in _SOURCE.finditer(_COMMENT.sub("", tree.text(name))[:20_000]):
            yield Handed(one.group(1), not one.group(2).startswith(f"{one.group(1)}/"), name)


def _keys(name: str, table: str) -> Iterator[Handed]:
    """The paths of a table, each with what is said until the next one."""
    found = [one for one in _KEY.finditer(table) if not _IN_REWRITE.search(table, 0, one.start())]
    for one, after in itertools.zip_longest(found, found[1:]):
        said = table[one.end() : after.start() if after else None]
        cut = bool(_CUT.search(said))
        if cut or not _REWRITES.search(said):
            yield Handed(one.group(1), cut, name)


def values(texts: Sequence[tuple[str, str]], path: str, *, strip: bool) -> tuple[dict[str, str], str]:
    """What the variables that hold the back end's address must be when it is built, and where they are read."""
    found: dict[str, str] = {}
    where: dict[str, str] = {}
    for name, text in texts:
        for one in _PUBLIC.finditer(text):
            where.setdefault(one.group(0), name)
    for variable in itertools.islice(where, 30):
        parts = set(_PUBLIC.fullmatch(variable)[1].split("_"))  # type: ignore[index]  # it is where it came from
        default = _default(variable, texts)
        usual = parts <= _USUAL or (default is not None and _LOCAL.match(default) is not None)
        if parts & _ADDRESS and not parts & _OTHER and usual:
            found[variable] = _value(variable, default, texts, path, strip)
    told = ", ".join(f"{name}={value} ({where[name]} reads it)" for name, value in found.items())
    return found, told


def hard_coded(texts: Iterable[tuple[str, str]], known: Mapping[str, str]) -> tuple[str, str] | None:
    """A file that asks an address of the author's own machine, and the address; not as what a variable is else."""
    for name, text in texts:
        if name.rpartition("/")[2].startswith(".env") or ".config." in name:
            continue
        for one in _LOCAL.finditer(text):
            before = text[max(0, one.start() - 80) : one.start()]
            if not any(variable in before for variable in known):
                return name, one.group(0)
    return None


def _default(variable: str, texts: Iterable[tuple[str, str]]) -> str | None:
    """What it is when nobody sets it: in an .env file, or beside it in the code."""
    said = re.compile(rf"\b{variable}\b[^\"'`;\n=/]{{0,60}}[=\"'`]\s*[\"'`]?(https?://[^\s\"'`]+|/[\w/-]*)")
    for _name, text in texts:
        found = said.search(text)
        if found:
            return found.group(1)
    return None


def _value(variable: str, default: str | None, texts: Sequence[tuple[str, str]], path: str, strip: bool) -> str:
    """So that what the code puts behind it is found below `path`."""
    below = _path_of(default) if default is not None else None
    if below is not None and (below == path or below.startswith(f"{path}/")):
        return below
    if strip:
        return path + (below or "")
    if below is not None:
        return below or _HERE
    named = re.compile(rf"[}}\"'`]{re.escape(path)}(?=[/\"'`?$])")
    return _HERE if any(named.search(text) for _name, text in texts) else path


def _path_of(address: str) -> str:
    try:
        return urlsplit(address).path.rstrip("/")
    except ValueError:
        return ""
