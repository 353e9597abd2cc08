"""Which of several services answers below which path, and how the front end learns where the back end is.

The front end is at `/`, the back end below the path that the front end's development server hands on to it, else
`/api`.  Whether that is taken away before the back end sees a request follows from what its code names.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from runners.base import Plan
from runners.frameworks import calls
from runners.frameworks.tree import ASIDE, Tree, words

FRONT = words("frontend front client web webapp www ui app site dashboard")
BACK = words("backend back server api service services")
_PAGES = words(  # servers that answer with pages of their own
    "next nuxt sveltekit react-router remix astro tanstack-start solidstart streamlit gradio dash nicegui chainlit"
)
_OWN_ROUTES = re.compile(r"(?:src/)?(?:app|pages|routes)/api/|server/api/")
_CODE = (".py", ".js", ".ts", ".mjs", ".cjs", ".mts", ".go", ".rb", ".php", ".java", ".kt", ".rs", ".ex", ".cs")
_MOST = 60  # files of one part that are looked into
_WORD = re.compile(r"[\w-]+(?:/[\w-]+)*")


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """A service with its files, and what people call it."""

    plan: Plan
    folder: str
    name: str
    tree: Tree
    others: frozenset[str]  # folders below its own that belong to other services

    @property
    def front(self) -> bool:
        short = self.name.rpartition("/")[2]
        if self.plan.kind == "static" or self.plan.framework in _PAGES:
            return True
        return short in FRONT and short not in BACK and self.plan.language in ("node", "docker", "deno", "bun")


def placed(tree: Tree, plan: Plan, names: Sequence[str] | None = None) -> Plan:
    """The same several services, each with the path it answers below.  `names`: what they are called, by part."""
    if plan.kind != "multi" or plan.shown:
        return plan
    parts = _parts(tree, plan, names)
    after = _chosen(parts)
    releases = [part.release for part in after if part.mount and part.release]
    return dataclasses.replace(
        plan,
        parts=tuple(after),
        release=releases[0] if len(releases) == 1 else plan.release,
        why={**plan.why, "mount": _said([part.name for part in parts], after)},
    )


def _parts(tree: Tree, plan: Plan, names: Sequence[str] | None) -> list[_Part]:
    folders = [folder_of_part(tree, part) for part in plan.parts]
    called = names or [folder or "the root" for folder in folders]
    return [
        _Part(part, folder, name, tree.below(folder) if folder else tree, _others(folder, folders))
        for part, folder, name in zip(plan.parts, folders, called, strict=True)
    ]


def _chosen(parts: list[_Part]) -> list[Plan]:
    """The plan of each, with its path: the front end, the back end beside it, then the others."""
    front, back = _pair(parts)
    done = {id(front): _at(front, "/", strip=False, why="the front end" if front.front else "the first service")}
    if back is not None:
        done |= _joined(front, back)
    return [done[id(part)] if id(part) in done else _other(part) for part in parts]


def folder_of_part(tree: Tree, part: Plan) -> str:
    """Where a part's files lie; members of a workspace are installed from its root, and start below it."""
    if part.root != ".":
        return part.root
    known = part.entry if part.language != "python" else None
    folder = (known or part.static_dir or "").rpartition("/")[0]
    if part.start and part.start.startswith("cd "):
        folder = part.start.removeprefix("cd ").partition(" && ")[0].strip("'\"")
    while folder and not tree.has(f"{folder}/package.json"):
        folder = folder.rpartition("/")[0]
    return folder


def _others(folder: str, folders: Sequence[str]) -> frozenset[str]:
    up = f"{folder}/" if folder else ""
    return frozenset(one.removeprefix(up) for one in folders if one != folder and one.startswith(up))


def _pair(parts: list[_Part]) -> tuple[_Part, _Part | None]:
    """The front end, and the server that it talks to."""
    fronts = sorted((part for part in parts if part.front), key=_aside)
    backs = sorted((part for part in parts if not part.front and part.plan.kind == "server"), key=_behind)
    if fronts:
        return fronts[0], next(iter(backs), None)
    return (backs or parts)[0], None


def _aside(part: _Part) -> tuple[bool, bool]:
    """What is called a front end comes first, what is called documentation last."""
    short = part.name.rpartition("/")[2]
    return short in ASIDE, short not in FRONT


def _behind(part: _Part) -> bool:
    return part.name.rpartition("/")[2] not in BACK


def _joined(front: _Part, back: _Part) -> dict[int, Plan]:
    """Both, the back end below a path and the front end told of it."""
    path, strip, why = _path(front, back)
    texts = list(_texts(front, calls.FILES))
    values, evidence = calls.values(texts, path, strip=strip)
    plan = _at(front, "/", strip=False, why="the front end")
    if values:
        plan = dataclasses.replace(plan, env={**plan.env, **values}, why={**plan.why, "env": evidence})
        plan = _for_image(front, plan, values)
    fixed = calls.hard_coded(texts, values)
    if fixed:
        name, address = fixed
        hint = f"{front.name}/{name} asks {address}, which is nobody's address in a preview: ask {path} instead"
        plan = dataclasses.replace(plan, why={**plan.why, "calls": hint})
    return {id(front): plan, id(back): _at(back, path, strip=strip, why=why)}


def _path(front: _Part, back: _Part) -> tuple[str, bool, str]:
    """Below which path, whether that is taken away, and why."""
    found = calls.handed_on(front.tree)
    if found is not None:
        cut = ", without it" if found.strip else ""
        return found.path, found.strip, f"{front.name}/{found.file} hands {found.path} on to it{cut}"
    path = "/api"
    owned = next((name for name in front.tree.files if _OWN_ROUTES.match(name)), None)
    if owned and front.plan.kind == "server":
        path = "/" + (back.folder.rpartition("/")[2] or "backend")
    named = _names(back, path)
    why = f"{named} names {path}" if named else f"its code nowhere names {path}, so that is taken away"
    if path != "/api":
        why = f"{front.name}/{owned} answers below /api itself; {why}"
    return path, named is None, why


def _other(part: _Part) -> Plan:
    """One more service: shown only when it says itself below which path."""
    path = "/" + part.folder.rpartition("/")[2]
    named = _names(part, path) if part.plan.kind == "server" and _WORD.fullmatch(path[1:]) else None
    if named:
        return _at(part, path, strip=False, why=f"{named} names {path}")
    words = "not shown: a preview has one front end at / and one back end; of others the code must name their path"
    return dataclasses.replace(part.plan, why={**part.plan.why, "mount": words})


def _names(part: _Part, path: str) -> str | None:
    """The file of a service that names a route below this path."""
    if part.plan.framework == "laravel" and path == "/api" and part.tree.has("routes/api.php"):
        return f"{part.name}/routes/api.php"
    word = re.escape(path.strip("/"))
    said = re.compile(
        rf"[\"'`(]/{word}(?=[\"'`/:?{{<)])"
        rf"|\b(?:path|re_path|url)\(\s*r?[\"']\^?{word}/"
        rf"|\b(?:setGlobalPrefix|basePath)\W{{1,8}}/?{word}\b|\bnamespace\s+:{word}\b"
    )
    return next((f"{part.name}/{name}" for name, text in _texts(part, _CODE) if said.search(text)), None)


def _texts(part: _Part, endings: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The first files with these endings, but for tests and the like."""
    found = (name for name in part.tree.ending(*endings) if ASIDE.isdisjoint(name.split("/")[:-1]))
    mine = (name for name in found if not any(name.startswith(f"{other}/") for other in part.others))
    for name in itertools.islice(mine, _MOST):
        yield name, part.tree.text(name)


def _for_image(part: _Part, plan: Plan, values: Mapping[str, str]) -> Plan:
    """What a Dockerfile takes as an argument must be given when it is built."""
    if plan.language != "docker" or not plan.entry:
        return plan
    text = part.tree.text(plan.entry)
    taken = [f"--build-arg={quote(f'{name}={value}')}" for name, value in values.items() if f"ARG {name}" in text]
    return dataclasses.replace(plan, build=" ".join([*([plan.build] if plan.build else []), *taken]) or None)


def _at(part: _Part, path: str, *, strip: bool, why: str) -> Plan:
    said = {**part.plan.why, "mount": f"{path}: {why}"}
    return dataclasses.replace(part.plan, mount=path, strip=strip, why=said)


def _said(names: Sequence[str], parts: Sequence[Plan]) -> str:
    pairs = list(zip(names, parts, strict=True))
    shown = [f"{name} at {part.mount}" for name, part in pairs if part.mount]
    hidden = [name for name, part in pairs if not part.mount]
    return ", ".join(shown) + (f"; not shown: {', '.join(hidden)}" if hidden else "")
