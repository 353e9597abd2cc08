"""What a comment may look like, and what it may never do."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.github.pages.markdown import render


def test_a_comment_looks_as_on_github() -> None:
    shown = render("| a | b |\n|--:|---|\n| 1 | ~~2~~ |\n\n- [x] done\n- [ ] open\n\n# Title\n\n```py\nx < 1\n```\n")
    assert '<th class="to-right">a</th>' in shown and "<s>2</s>" in shown
    assert '<input type="checkbox" disabled="" checked=""> done' in shown and "[ ]" not in shown
    assert "<h1>Title</h1>" in shown and "x &lt; 1" in shown


def test_folds_are_kept_and_hidden_notes_are_hidden() -> None:
    shown = render('<!-- slipway:v1 {"a": 1} -->\n<details open><summary>More</summary>\n\n*inside*\n\n</details>\n')
    assert "slipway:v1" not in shown
    assert '<details open=""><summary>More</summary>' in shown and "<em>inside</em>" in shown


def test_people_are_mentioned_only_when_they_exist_and_never_in_code() -> None:
    shown = render("@ada and @nobody, `@ada`, mail@ada", lambda login: login == "ada")
    assert shown.count('href="/ada"') == 1 and "@nobody" in shown and "<code>@ada</code>" in shown


def test_bare_addresses_become_links_without_their_full_stop() -> None:
    assert 'href="https://a.example/?x=1&amp;y=2" ' in render("See https://a.example/?x=1&y=2.")


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    "<details open ontoggle=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    '<a href="java\nscript:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href="\x01javascript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    "[x](javascript:alert(1))",
    "[x](<java&Tab;script:alert(1)>)",
    "![x](javascript:alert(1))",
    '![x](http://a"onerror="alert(1))',
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=/acme/shop/pull/1 method=post><button name=deed value=merge>Click</button></form>",
    "<input type=image src=x onerror=alert(1)>",
    "<style>*{display:none}</style>",
    "<p style='position:fixed;inset:0'>over everything</p>",
    "<base href=//evil.example><link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea></textarea><img src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<xmp><p title='</xmp><script>alert(1)</script>'></xmp>",
    "<!--><script>alert(1)</script>-->",
    "<![x](y)",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<!DOCTYPE html [<!ENTITY x 'y'>]>",
    "<?php echo 1 ?><![if IE]>",
    "<!-- --!><script>alert(1)</script> -->",
    "<details><summary></details></div></main></body><script>alert(1)</script>",
    "</div></article></main><h1>Another page</h1>",
    "`</code><script>alert(1)</script>`",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    'https://a.example/"onmouseover=alert(1)',
    "https://a.example/<img/src=x/onerror=alert(1)>",
    '@ada"><script>alert(1)</script>',
    '<img src="https://a.example/x.png" alt=\'"><script>alert(1)</script>\'>',
    "<a id=live name=body class=button href=/>x</a>",
    "<ol start='1\"onclick=alert(1)'>",
    "<td align='left\"onclick=alert(1)'>",
]
TAGS = {
    *("a", "b", "blockquote", "br", "code", "del", "details", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "input"),
    *(
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "summary",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
        "sub",
        "sup",
    ),
    *("dd", "dl", "dt", "h4", "h5", "h6", "ins", "kbd", "samp"),
}
ATTRIBUTES = {"href", "rel", "class", "src", "alt", "type", "disabled", "checked", "open", "start"}


class Reader(HTMLParser):
    """Reads what a browser would: fails on anything that is not on the list, and on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            if name in ("href", "src"):
                plain = (value or "").startswith(("http:", "https:", "mailto:"))
                assert plain or ":" not in re.split("[/?#]", value or "")[0], value
            if name == "class":
                assert value in ("mention", "to-left", "to-right", "to-center"), value
        if tag not in ("br", "hr", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def check(text: str) -> None:
    reader = Reader()
    reader.feed(render(text, lambda login: True))
    reader.close()
    assert reader.open == []


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_in_a_comment_runs_or_leaves_its_box(text: str) -> None:
    check(text)
    check(f"before {text} after")
    check(f"| a |\n|---|\n| {text} |\n\n> {text}\n\n- {text}\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*ATTACKS, "\n\n", "<", ">", '"', "'", "`", "\\", "&", "*", "<!--", "-->", "<div "])))
def test_neither_does_any_mixture(parts: list[str]) -> None:
    check("".join(parts))
