"""Pages that need no build: any folder with HTML."""

from __future__ import annotations

from runners.base import Plan
from runners.frameworks.tree import Tree, folder_of

FOLDERS = ("public", "dist", "build", "site", "www", "static", "html", "htdocs", "web", "app", "src", "docs", "out")


def detect(tree: Tree) -> Plan | None:
    pages = list(tree.ending(".html", ".htm"))
    if not pages:
        return None
    folder = _folder(tree)
    if folder is not None:
        page = f"{folder}/index.html" if folder != "." else "index.html"
        return _plan(folder, None, page)
    at = folder_of(pages[0]) or "."
    beside = [page for page in pages if (folder_of(page) or ".") == at]
    return _plan(at, beside[0].rpartition("/")[2], beside[0])


def _folder(tree: Tree) -> str | None:
    """Where index.html lies: the root, then the usual places, then the shallowest."""
    if tree.first("index.html", "index.htm"):
        return "."
    for folder in FOLDERS:
        if tree.has(f"{folder}/index.html"):
            return folder
    found = next((name for name in tree.ending("/index.html")), None)
    return folder_of(found) if found else None


def _plan(folder: str, entry: str | None, page: str) -> Plan:
    why = {
        "language": f"{page} is there, and nothing that would build or serve it",
        "static_dir": f"{page} lies there",
    }
    return Plan(language="static", kind="static", static_dir=folder, entry=entry, why=why)
