"""What is a command, what is nearly one, and what only looks like one."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.slash import FOREIGN, VERBS, Command, Hint, parse
from handlers.commands import COMMANDS

SHA = "ce587453ced02b1526dfb4cb910479d431683101"


def understood(body: str) -> tuple[str, tuple[str, ...], dict[str, str]]:
    command = parse(body)
    assert isinstance(command, Command), command
    return command.verb, command.args, dict(command.flags)


@pytest.mark.parametrize(
    ("body", "verb", "args", "flags"),
    [
        ("/promote production", "promote", ("production",), {}),
        ("/slipway promote production", "promote", ("production",), {}),
        ("/slipway   promote   production  ", "promote", ("production",), {}),
        (f"/promote production {SHA}", "promote", ("production", SHA), {}),
        ("/promote production ce58745", "promote", ("production", "ce58745"), {}),
        ("/promote production dep_0123456789abcdef", "promote", ("production", "dep_0123456789abcdef"), {}),
        ("/rollback production --reason=word", "rollback", ("production",), {"reason": "word"}),
        (
            '/rollback production --reason="two words; $(rm)"',
            "rollback",
            ("production",),
            {"reason": "two words; $(rm)"},
        ),
        ("/rollback --accept-schema production", "rollback", ("production",), {"accept-schema": ""}),
        (
            "/freeze production --until=2027-01-04T08:00+01:00",
            "freeze",
            ("production",),
            {"until": "2027-01-04T08:00+01:00"},
        ),
        ("/keep 3d", "keep", ("3d",), {}),
        ("/promote", "promote", (), {}),
        ("\n \t\r\n/help", "help", (), {}),
        ("/help\r\nthanks!", "help", (), {}),
        ("/help\rthanks!", "help", (), {}),
        ("/promote production\t ", "promote", ("production",), {}),
        ("/promote production\n/rollback production", "promote", ("production",), {}),
    ],
)
def test_commands_are_understood(body: str, verb: str, args: tuple[str, ...], flags: dict[str, str]) -> None:
    assert understood(body) == (verb, args, flags)


@pytest.mark.parametrize(
    "body",
    [
        "",
        " \n\t\n",
        "please /promote production",
        "thanks!\n/promote production",
        " /promote production",
        "\t/promote production",
        "\u00a0\n/promote production",
        "\ufeff/promote production",
        "\u200b/promote production",
        "\uff0fpromote production",  # a full-width slash
        "\u2044promote production",  # a fraction slash
        "/\u0440romote production but far away",
        "//promote production",
        "/ promote production",
        "/promote/production",
        "/usr/bin/env",
        "/lgtm",
        "/approve",
        "/ok-to-test",
        "@slipway promote production",
    ],
)
def test_talk_and_the_commands_of_others_are_left_alone(body: str) -> None:
    found = parse(body)
    assert found is None or (isinstance(found, Hint) and "romote" in body)
    assert not isinstance(found, Command)


@pytest.mark.parametrize("verb", sorted(FOREIGN))
def test_what_other_bots_listen_to_gets_no_hint(verb: str) -> None:
    assert parse(f"/{verb} this") is None


def test_command_in_code_quote_list_or_html_is_no_command() -> None:
    for body in (
        "```\n/promote production\n```",
        "~~~\n/promote production",
        "    /promote production",
        "> /promote production",
        "- /promote production",
        "1. /promote production",
        "<!--\n/promote production\n-->",
        "<details>\n/promote production\n</details>",
        "| a |\n| - |\n/promote production",
        "# /promote production",
        "[x]: /promote production",
    ):
        assert parse(body) is None, body


@pytest.mark.parametrize(
    "body", ["`/promote production`", "```/promote production```", "` /promote production`", "`/slipway promote a`  "]
)
def test_command_pasted_with_its_backticks_is_hinted_at_and_not_run(body: str) -> None:
    assert parse(body) == Hint("Write it without the backticks: /promote")


def test_other_inline_code_is_talk() -> None:
    assert parse("`/lgtm`") is None
    assert parse("`/slipway`") is None
    assert parse("`/promote` it now?") is None


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("/promte production", "promote"),
        ("/Promote production", "promote"),
        ("/PROMOTE production", "promote"),
        ("/promote, please", "promote"),
        ("/rolback production", "rollback"),
        ("/roll-back production", "rollback"),
        ("/hlod", "hold"),
        ("/slipway promot production", "promote"),
        ("/\u0440romote production", "promote"),  # a Cyrillic letter
        ("/pro\u200bmote production", "promote"),
    ],
)
def test_near_misses_get_a_hint_and_never_run(body: str, meant: str) -> None:
    assert parse(body) == Hint(f"Did you mean /{meant}?")


def test_our_own_prefix_always_answers() -> None:
    for body in ("/slipway", "/slipway ", "/slipway frobnicate", "/slipway --help"):
        assert parse(body) == Hint("There is no such command; /help lists them."), body


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("/promote production --force", "takes only --reason, --accept-schema, --confirm, not --force"),
        ("/teardown --force", "takes no flags, not --force"),
        ("/rollback production --reason=a --reason=b", "twice"),
        ("/rollback production --reason", "needs a value"),
        ("/rollback production --reason words", "needs a value"),
        ("/rollback production --accept-schema=yes", "takes no value"),
        ("/rollback production --reason=", "come words"),
        ('/rollback production --reason="open', "come words"),
        ('/rollback production --reason="a"b', "come words"),
        ("/promote `production`", "come words"),
        ("/promote production;reboot", "come words"),
        ("/promote $(production)", "come words"),
        ("/promote -x", "come words"),
        ("/promote pro<!--duction", "come words"),
        ("/promote production — now", "plain ASCII"),
        ("/promote pr\u043eduction", "plain ASCII"),
        ("/promote production\u202e", "plain ASCII"),
        ("/promote\tproduction", "plain ASCII"),
        ("/promote a\x00b", "plain ASCII"),
        ("/promote a\u2028/rollback b", "plain ASCII"),
        ("/promote " + "a" * 600, "at most 512"),
    ],
)
def test_commands_with_a_mistake_say_what_it_is_and_are_not_run(body: str, why: str) -> None:
    found = parse(body)
    assert isinstance(found, Hint)
    assert why in found.words


def test_a_line_of_exactly_512_characters_is_read() -> None:
    line = "/promote " + "a" * 503
    assert understood(line)[1] == ("a" * 503,)
    assert isinstance(parse(line + "a"), Hint)


def test_a_hint_fed_back_is_no_command() -> None:
    for body in ("/promte x", "/slipway x", "/promote --x", "`/promote x`", "/promote é", "/promote " + "a" * 600):
        found = parse(body)
        assert isinstance(found, Hint)
        assert parse(found.words) is None


def test_every_verb_has_its_command_and_its_usage_is_understood() -> None:
    assert set(COMMANDS) == set(VERBS)
    for verb, module in COMMANDS.items():
        usage = getattr(module, "USAGE", f"/{verb}")
        for shown in (usage.replace("[", "").replace("]", ""), re.sub(r" \[\w+\]", "", usage)):
            assert understood(shown)[0] == verb


# Pieces that Markdown makes something of, so that documents are dense with it.
LINES = ("/promote production", "/slipway promote a", "/rollback production", '/lock a --reason="x y"', "/help")
BLOCKS = (
    "    ",
    "\t",
    "```",
    "~~~",
    "> ",
    "- ",
    "* ",
    "1. ",
    "# ",
    "<!--",
    "-->",
    "<pre>",
    "<div>",
    "<!",
    "|-|",
    "===",
    "---",
)
INLINES = (" ", "`", "``", "[", "](", ")", "[a]: ", "|", "\\", "&#47;", '"', "--reason=", "<x ", "a", "é", "</pre>")
ENDS = ("\n", "\n\n", "\r\n", "\r", "\u2028", "\x0b", "\x0c", "\x85", "\x1c", "\u00a0", "\u200b")
PIECES = st.sampled_from((*LINES, *BLOCKS, *INLINES, *ENDS))
DOCUMENTS = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=60))
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@settings(max_examples=3000, deadline=None)
@given(DOCUMENTS)
@example("```\n/promote production")
@example("\n\n/promote production")
@example("\x0b\n/promote production")
def test_nothing_markdown_hides_or_quotes_is_ever_accepted(body: str) -> None:
    command = parse(body)
    if not isinstance(command, Command):
        return
    tokens: list[Token] = MARKDOWN.parse(body)
    first, inline = tokens[0], tokens[1]
    assert first.type in ("paragraph_open", "heading_open", "table_open"), first.type
    assert first.level == 0
    while inline.type != "inline":
        tokens.pop(0)
        inline = tokens[1]
    assert inline.children and inline.children[0].type == "text"
    assert inline.children[0].content.startswith((f"/{command.verb}", "/slipway")), inline.children[0].content


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=200).map(lambda tail: f"/promote {tail}"))
def test_arguments_hold_what_stands_there_and_nothing_else(body: str) -> None:
    command = parse(body)
    if isinstance(command, Command):
        line = body.splitlines()[0]
        assert all(part in line for part in (*command.args, *command.flags.values()))
        assert line.isascii() and line.rstrip("\t").isprintable()
        assert set(command.flags) <= set(VERBS["promote"])


@pytest.mark.parametrize(
    "piece",
    ["`", " ", "\n", "\r", "/", "/promote ", "a", '"', "--reason=", " a", "-", "\t\n", "[", "`/", "é", "/slipway "],
)
def test_the_longest_comments_are_read_in_no_time(piece: str) -> None:
    bodies = [piece * (65_536 // len(piece)), "/promote " + piece * (65_536 // len(piece)), "\n" * 60_000 + piece]
    began = time.process_time()
    for body in bodies:
        parse(body)
    assert time.process_time() - began < 3
