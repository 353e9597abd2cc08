"""A back end at the root and, in a folder, a front end with a build of its own that the back end does not serve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from runners.base import Plan
from runners.frameworks import folders, procfile
from runners.frameworks.manifest import NotDetected
from runners.frameworks.node.package import Package
from runners.frameworks.tree import ASIDE, Tree, words

FRONT = ("frontend", "front", "client", "web", "webapp", "ui")

_SERVES_PAGES = words(
    "next nuxt sveltekit react-router remix astro tanstack-start solidstart analog qwik waku hydrogen redwoodjs rails"
    " laravel symfony wordpress phoenix streamlit gradio dash nicegui chainlit reflex fasthtml panel shiny solara mesop"
)
_CODE = (".py", ".js", ".ts", ".mjs", ".cjs", ".mts", ".go", ".rb", ".php", ".java", ".kt", ".rs", ".ex", ".cs")
_MOST = 40  # files of the back end that are looked into
_PAGES = re.compile(
    r"render_template|TemplateResponse|Jinja2Templates|HTMLResponse|FileResponse|send_from_directory|send_static_file"
    r"|StaticFiles|WhiteNoise|whitenoise|TemplateView|\brender\(\s{0,9}request|express\.static|serveStatic|sendFile"
    r"|\.render\(|FileServer|ServeDir|ServeFile|LoadHTML|http\.Dir|text/html|<html|<!DOCTYPE"
)


_FIRST_PAGE = re.compile(r"\(\s{0,9}[\"'`]/[\"'`]\s{0,9}[,)]")  # a route for `/`
_ELSEWHERE = re.compile(r"\bcors|localhost:(?:3000|3001|4200|5173|5174|8080)\b", re.IGNORECASE)
_HANDS_ON = re.compile(r"[\"']?\bproxy[\"']?\s{0,9}:")


def joined(tree: Tree, plan: Plan, one: Callable[[Tree], Plan | None]) -> Plan:
    """Both as one plan of two services; the same plan when there is no such front end."""
    if plan.kind != "server" or plan.root != "." or plan.language in ("docker", "procfile"):
        return plan
    if plan.framework in _SERVES_PAGES or "workspaces" in tree.json("package.json") or procfile.web(tree):
        return plan
    for folder in FRONT:
        if tree.has(f"{folder}/package.json") and _apart(tree, folder):
            front = _front(tree.below(folder), one)
            if front:
                return folders.several([folders.at(front, folder), plan])
    return plan


def _front(tree: Tree, one: Callable[[Tree], Plan | None]) -> Plan | None:
    try:
        plan = one(tree)
    except NotDetected:
        return None
    if plan is None or plan.language != "node" or plan.root != "." or not plan.build:
        return None
    moved = plan.static_dir is not None and plan.static_dir.startswith("..")
    return plan if (plan.kind == "static" and not moved) or plan.framework in _SERVES_PAGES else None


def _apart(tree: Tree, folder: str) -> bool:
    """The back end neither names the folder nor has pages, and expects to be asked from another address."""
    named = re.compile(rf"[\"'`/]{folder}[\"'`/]|\b{folder}/(?:dist|build|out)\b")
    texts = [tree.text(name) for name in _code(tree, folder)]
    if any(named.search(text) or _PAGES.search(text) for text in texts):
        return False
    if any(_ELSEWHERE.search(text) for text in texts) or not any(_FIRST_PAGE.search(text) for text in texts):
        return True
    package = Package.read(tree.below(folder))
    settings = package.config("vite.config", "vue.config", "proxy.conf", "src/setupProxy")
    return "proxy" in package.raw or _HANDS_ON.search(settings) is not None


def _code(tree: Tree, folder: str) -> Iterator[str]:
    found = 0
    for name in tree.files:
        above = name.split("/")[:-1]
        if not name.endswith(_CODE) or above[:1] == [folder] or not ASIDE.isdisjoint(above):
            continue
        yield name
        found += 1
        if found == _MOST:
            return
