"""Markdown as GitHub shows it: rendered with its HTML, then let through only what is on a list."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

_VOID = {"br", "hr", "img", "input"}
_TAGS = _VOID | {
    *("a", "b", "blockquote", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5"),
    *("h6", "i", "ins", "kbd", "li", "ol", "p", "pre", "s", "samp", "strong", "sub", "summary", "sup", "table"),
    *("tbody", "td", "th", "thead", "tr", "ul"),
}
_SILENT = {"script", "style", "iframe", "object", "noscript", "template", "textarea", "title", "xmp", "noembed"}
_LITERAL = {"a", "code", "pre", "kbd", "samp"}  # text in these stays as it is
_ALIGN = re.compile(r"text-align:(left|right|center)")
_WORDS = re.compile(
    r"(?P<url>https?://[^\s<>\"']*[^\s<>\"'.,:;!?)\]])|(?<![\w/@.])@(?P<login>[A-Za-z0-9][A-Za-z0-9-]{0,38})"
)
_RELATIVE = re.compile(r"[^:\x00-\x20]*|[^:/?#\x00-\x20]*[/?#][^\x00-\x20]*")
_TASK = re.compile(r"\[([ xX])\] ")


def _tasks(state: StateCore) -> None:
    """`- [x] done` begins with a box."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        found = _TASK.match(first.content) if first.type == "text" else None
        if found:
            first.content = first.content[found.end() :]
            checked = " checked" if found[1] != " " else ""
            inline.children.insert(0, Token("html_inline", "", 0, content=f'<input type="checkbox"{checked}> '))


_parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_parser.core.ruler.push("tasks", _tasks)


def render(text: str, is_user: Callable[[str], bool] = lambda login: False) -> Markup:
    """Safe HTML.  `is_user` says which @names are people here: only those become links."""
    cleaner = _Cleaner(is_user)
    cleaner.feed(_parser.render(text))
    cleaner.close()
    return Markup("".join(cleaner.finish()))  # noqa: S704 - written by the cleaner, tag by tag


class _Cleaner(HTMLParser):
    """Writes anew what it knows; drops the tags it does not, and comments; closes what was left open."""

    def __init__(self, is_user: Callable[[str], bool]) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.open: list[str] = []
        self.silent: list[str] = []
        self.is_user = is_user

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self.silent.append(tag)
        if self.silent or tag not in _TAGS:
            return
        told = _attributes(tag, dict(attrs[::-1]))
        written = "".join(f' {name}="{escape(value)}"' for name, value in told.items())
        self.out.append(f"<{tag}{written}>")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A slash at the end means nothing in HTML, but for the void ones, which need no end."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            if tag == self.silent[-1]:
                self.silent.pop()
            return
        if tag in self.open:
            while (last := self.open.pop()) != tag:
                self.out.append(f"</{last}>")
            self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            literal = _LITERAL.intersection(self.open)
            self.out.append(escape(data, quote=False) if literal else _WORDS.sub(self._word, escape(data, quote=False)))

    def _word(self, found: re.Match[str]) -> str:
        if found["url"]:
            return f'<a href="{escape(found["url"].replace("&amp;", "&"))}" rel="nofollow noopener">{found["url"]}</a>'
        login = found["login"]
        return f'<a class="mention" href="/{login}">@{login}</a>' if self.is_user(login) else f"@{login}"

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """`<![` is a comment to a browser; Python's parser would give up."""
        return int(self.parse_bogus_comment(i, report))

    def finish(self) -> list[str]:
        return [*self.out, *(f"</{tag}>" for tag in self.open[::-1])]


def _attributes(tag: str, given: dict[str, str | None]) -> dict[str, str]:
    if tag == "a":
        href = given.get("href") or ""
        return {"href": href, "rel": "nofollow noopener"} if _is_link(href) else {}
    if tag == "img":
        source = given.get("src") or ""
        alt = given.get("alt") or ""
        return {"src": source, "alt": alt} if _scheme(source) in ("http", "https") else {"alt": alt}
    if tag == "input":
        return {"type": "checkbox", "disabled": "", **({"checked": ""} if "checked" in given else {})}
    if tag == "details" and "open" in given:
        return {"open": ""}
    if tag in ("td", "th"):
        aligned = _ALIGN.search((given.get("style") or "").replace(" ", "")) or re.fullmatch(
            "(left|right|center)", given.get("align") or ""
        )
        return {"class": f"to-{aligned[1]}"} if aligned else {}
    if tag == "ol" and (given.get("start") or "").isdigit():
        return {"start": given["start"] or "1"}
    return {}


def _scheme(url: str) -> str | None:
    """The scheme, "" for a relative address, None when it is no address at all."""
    try:
        return urlsplit(url.strip()).scheme.lower()
    except ValueError:
        return None


def _is_link(href: str) -> bool:
    scheme = _scheme(href)
    return scheme in ("http", "https", "mailto") or (scheme == "" and bool(_RELATIVE.fullmatch(href)))
