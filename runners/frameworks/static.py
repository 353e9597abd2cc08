"""Pages that need no build: any folder with HTML that is no template of a server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from runners.base import Plan
from runners.frameworks.tree import Tree, folder_of, stem, words

FOLDERS = ("public", "dist", "build", "site", "www", "static", "html", "htdocs", "web", "app", "src", "docs", "out")
TEMPLATES = words("templates views layouts partials _layouts _includes")  # folders that a server reads its pages from
MAX_PAGES = 20  # looked into

_MAX_TEXT = 100_000  # characters of a page
_QUOTED = re.compile(
    r"<!--.*?(?:-->|\Z)|(<(script|style|pre|code|textarea)\b[^<>]*>).*?(?:</\2|\Z)", re.DOTALL | re.IGNORECASE
)
_FILLED = re.compile(r"\{%[-+]?\s*\w[^{}\n]{0,200}%\}|<%[-=_#@!\s\w]")  # Jinja, Django, Liquid; EJS, ERB
_BRACES = re.compile(r"\{\{[^{}\n]{1,200}\}\}")  # also those, and Handlebars; but a browser's libraries fill them too
_IN_ADDRESS = re.compile(r"\b(?:href|src|action)\s*=\s*[\"']?[^\"'<>{}]{0,200}\{\{", re.IGNORECASE)
_BROWSERS = re.compile(
    r"\b(?:vue|angular|alpine|petite|handlebars|mustache|ember|knockout)|\b(?:ng|v|x)-[a-z]+\s*=|\bng-app\b",
    re.IGNORECASE,
)


def detect(tree: Tree) -> Plan | None:
    """The folder of the page that comes first, with that page as `entry` when it is no index."""
    page = _page(tree)
    if page is None:
        return None
    why = {
        "language": f"{page} is there, and nothing that would build or serve it",
        "static_dir": f"{page} lies there",
    }
    entry = None if stem(page) == "index" else page.rpartition("/")[2]
    return Plan(language="static", kind="static", static_dir=folder_of(page) or ".", entry=entry, why=why)


def refused(tree: Tree) -> str | None:
    """The page that would be served if it were no template."""
    return next(_pages(tree), None)


def is_template(tree: Tree, page: str) -> bool:
    """A server fills it in before anybody sees it: its folder says so, or its text."""
    folders = f"{tree.root}/{page}".split("/")[:-1]
    if not TEMPLATES.isdisjoint(folders):
        return True
    text = tree.text(page)[:_MAX_TEXT]
    plain = _QUOTED.sub(r"\1", text)
    if _FILLED.search(plain):
        return True
    if not _BRACES.search(plain) or _BROWSERS.search(text):
        return False
    return _IN_ADDRESS.search(plain) is not None or "<script" not in text.lower()


def _page(tree: Tree) -> str | None:
    """The first page that is no template, and has none beside it that comes before."""
    templates: set[str] = set()
    for page in itertools.islice(_pages(tree), MAX_PAGES):
        if folder_of(page) not in templates:
            if not is_template(tree, page):
                return page
            templates.add(folder_of(page))
    return None


def _pages(tree: Tree) -> Iterator[str]:
    """Where index.html lies: the root, the usual folders, the shallowest; then any other page."""
    pages = list(tree.ending(".html", ".htm"))
    usual = ("index.html", "index.htm", *(f"{folder}/index.html" for folder in FOLDERS))
    first = [name for name in usual if tree.has(name)]
    rest = sorted(pages, key=lambda name: not name.endswith("/index.html"))  # stable: shallowest first in each
    return iter(dict.fromkeys([*first, *rest]))
