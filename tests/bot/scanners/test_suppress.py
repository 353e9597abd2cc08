"""What may pass, and what only asks to."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.scanners.findings import Finding
from bot.scanners.suppress import Ignore, applied, inline, parse

TODAY = dt.date(2026, 11, 21)
EXEC = "exec(code)"
WHY = "# slipway: ignore[S102] until=2027-01-31 the code is our own"


def found(
    line: int = 1, path: str = "app.py", rule: str = "S102", tool: str = "ruff", commit: str | None = None
) -> Finding:
    return Finding(tool, rule, "code", 8.0, path, line, line, "exec", f"0123456789abcdef:{line}", commit=commit)


def text_of(text: str | None, path: str = "app.py") -> Callable[[str], Sequence[str]]:
    return lambda asked: text.split("\n") if text is not None and asked == path else []


def judged(
    head: str,
    base: str | None = None,
    *findings: Finding,
    trusted: bool = False,
    ignores: Sequence[Ignore] = (),
    today: dt.date = TODAY,
) -> tuple[list[str | None], list[int]]:
    """Why each passes, and the lines of those that ask."""
    given = findings or (found(),)
    told, asks = applied(given, text_of(head), text_of(base), ignores, today, trusted=trusted)
    assert [one.fingerprint for one in told] == [one.fingerprint for one in given]
    assert all(one.suppressed is None for one in asks)
    return [one.suppressed for one in told], [one.line for one in asks]


PASSES: tuple[list[str | None], list[int]] = (["in the file: the code is our own (until 2027-01-31)"], [])


# Comments


def test_with_a_reason_it_passes_when_the_author_is_trusted() -> None:
    assert judged(f"{EXEC}  {WHY}", trusted=True) == PASSES


def test_an_author_who_is_not_trusted_only_asks() -> None:
    assert judged(f"{EXEC}  {WHY}") == ([None], [1])


def test_a_comment_that_stood_in_the_base_counts() -> None:
    assert judged(f"{EXEC}  {WHY}", f"{EXEC}  {WHY}") == PASSES


def test_a_comment_that_moved_with_its_line_counts() -> None:
    head = f"import a\n\nif a:\n    {EXEC}  {WHY}"
    assert judged(head, f"{EXEC}  {WHY}", found(4)) == PASSES
    above = f"import a\n  {WHY}\n  {EXEC}"
    assert judged(above, f"{WHY}\n{EXEC}", found(3)) == PASSES


def test_a_copy_of_a_comment_only_asks() -> None:
    head = f"{EXEC}  {WHY}\nb = 1\n{EXEC}  {WHY}"
    assert judged(head, f"{EXEC}  {WHY}", found(1), found(3)) == ([PASSES[0][0], None], [3])


def test_a_comment_of_the_base_does_not_speak_for_other_code() -> None:
    assert judged(f"{WHY}\nexec(request.body)", f"{WHY}\n{EXEC}", found(2)) == ([None], [2])
    assert judged(f"exec(body)  {WHY}", f"{EXEC}  {WHY}") == ([None], [1])


def test_a_comment_of_another_file_of_the_base_does_not_count() -> None:
    told, asks = applied(
        [found()], text_of(f"{EXEC}  {WHY}"), text_of(f"{EXEC}  {WHY}", "b.py"), [], TODAY, trusted=False
    )
    assert told[0].suppressed is None
    assert len(asks) == 1


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    "comment",
    ["# slipway: ignore[S102]", "# slipway: ignore[S102] until=2027-01-31", "# slipway: ignore[S102] -- 1!"],
)
def test_without_a_reason_it_only_asks_whoever_wrote_it(comment: str, trusted: bool) -> None:
    text = f"{EXEC}  {comment}"
    assert judged(text, text, trusted=trusted) == ([None], [1])


@pytest.mark.parametrize(("today", "passes"), [("2027-01-31", True), ("2027-02-01", False)])
def test_it_counts_to_the_end_of_its_last_day(today: str, passes: bool) -> None:
    text = f"{EXEC}  {WHY}"
    why, asks = judged(text, text, trusted=True, today=dt.date.fromisoformat(today))
    assert (why[0] is not None, asks) == (passes, [] if passes else [1])


@pytest.mark.parametrize("until", ["soon", "2027-02-30", "2027-1-1", "20270131", ""])
def test_a_day_that_is_none_makes_it_ask(until: str) -> None:
    assert judged(f"{EXEC}  # slipway: ignore[S102] until={until} words", trusted=True) == ([None], [1])


def test_a_finding_without_a_comment_does_not_ask() -> None:
    assert judged(EXEC, EXEC, trusted=True) == ([None], [])


@pytest.mark.parametrize("rule", ["S102", "s102", "ruff/S102", "S608, S102"])
def test_it_names_the_rule_or_the_tool_and_the_rule(rule: str) -> None:
    why, _asks = judged(f"{EXEC}  # slipway: ignore[{rule}] words", trusted=True)
    assert why == ["in the file: words"]


@pytest.mark.parametrize("rule", ["S10", "S608", "bandit/S102", "*", "", "S*"])
def test_another_rule_is_another_matter(rule: str) -> None:
    why, _asks = judged(f"{EXEC}  # slipway: ignore[{rule}] words", trusted=True)
    assert why == [None]


@pytest.mark.parametrize(
    "comment",
    ["# slipway: ignore[S102] words", "// slipway: ignore[S102] words", "/* slipway: ignore[S102] words */",
     "<!-- slipway: ignore[S102] words -->", "-- slipway: ignore[S102] words", "{# slipway: ignore[S102] words #}",
     "{/* slipway: ignore[S102] words */}", "#slipway:ignore[S102] words", "#  slipway: ignore[S102]: words\r",
     "# slipway: ignore[S102] words until=2026-11-21"],
)  # fmt: skip
def test_any_style_of_comment_will_do_in_the_line_or_above_it(comment: str) -> None:
    for text, line in ((f"x {comment}", 1), (f"  {comment}\nx", 2)):
        why, _asks = judged(text, None, found(line), trusted=True)
        assert why[0] is not None
        assert why[0].startswith("in the file: words")
        assert judged(f"{comment}\n\nx", None, found(3), trusted=True) == ([None], []), "not two lines below"


def test_a_comment_behind_code_does_not_speak_of_the_next_line() -> None:
    assert judged(f"{EXEC}  {WHY}\n{EXEC}", None, found(2), trusted=True) == ([None], [])
    assert judged(f"/* slipway: ignore[S102] words */ x\n{EXEC}", None, found(2), trusted=True) == ([None], [])


def test_several_comments_may_stand_above_one_line() -> None:
    text = f"# slipway: ignore[S608] words\n{WHY}\n{EXEC}"
    why, _asks = judged(text, None, found(3), found(3, rule="S608"), trusted=True)
    assert why == [PASSES[0][0], "in the file: words"]


@pytest.mark.parametrize(
    "text", ["slipway: ignore[S102] words", "# slipway ignore[S102] words", "# slipway: ignored[S102] x"]
)
def test_what_is_no_comment_of_ours_is_none(text: str) -> None:
    assert inline([text]) == []


def test_a_reason_tells_nothing_that_may_be_a_key() -> None:
    key = "gh" + "p_" + "A1b2" * 9
    (one,) = inline([f"/* slipway: ignore[x] a test */ const k = '{key}'"])
    assert one.reason == "a test"
    (one,) = inline([f"# slipway: ignore[x] it is {key}\x1b\u202e"])
    assert one.reason == "it is …"


def test_a_former_commit_is_not_excused_by_the_heads_comments() -> None:
    assert judged(f"{EXEC}  {WHY}", f"{EXEC}  {WHY}", found(commit="c" * 40), trusted=True) == ([None], [])


def test_what_already_passes_keeps_its_reason() -> None:
    one = dataclasses.replace(found(), suppressed="acknowledged by ada")
    assert judged(EXEC, None, one) == (["acknowledged by ada"], [])


# Comments of other tools


@pytest.mark.parametrize(
    ("tool", "rule", "line"),
    [
        ("ruff", "S102", "exec(x)  # noqa"),
        ("ruff", "S102", "exec(x)  # noqa: E501, S102"),
        ("ruff", "S102", "exec(x)  # NOQA:S1"),
        ("ruff", "S102", "exec(x)  # nosec B102"),
        ("semgrep", "eval_nodejs", "eval(x) // nosemgrep: eval_nodejs"),
        ("kingfisher", "github-pat", "k = 1  # gitleaks:allow"),
        ("gitleaks", "github-pat", "k = 1  # pragma: allowlist secret"),
        ("hadolint", "DL3002", "USER root # hadolint ignore=DL3002"),
        ("zizmor", "unpinned-uses", "- uses: a/b@v1 # zizmor: ignore[unpinned-uses]"),
        ("eslint", "no-eval", "eval(x) // eslint-disable-line no-eval"),
    ],
)
def test_a_comment_of_another_tool_asks_and_counts_only_if_it_stood_there(tool: str, rule: str, line: str) -> None:
    one = found(rule=rule, tool=tool)
    assert judged(line, None, one, trusted=True) == ([None], [1])
    assert judged(line, line, one) == ([f"in the file: a comment for {tool} that stood there before"], [])
    assert judged(f"{line}\n{line}", line, found(2, rule=rule, tool=tool)) == ([None], [2]), "a copy"


def test_a_comment_of_another_tool_may_stand_above() -> None:
    one = found(2, rule="DL3002", tool="hadolint")
    text = "# hadolint ignore=DL3002\nUSER root"
    assert judged(text, None, one) == ([None], [2])
    assert judged(text, text, one)[1] == []
    assert judged(text, text.replace("root", "1000"), one) == ([None], [2]), "it stood above something else"
    assert judged("x = 1  # noqa\nexec(x)", None, found(2)) == ([None], []), "behind code it speaks of its own line"


@pytest.mark.parametrize("line", ["exec(x)  # noqa: E501", "exec(x)  # gitleaks:allow", "exec(x)  # nosec B608"])
def test_a_comment_about_something_else_asks_for_nothing(line: str) -> None:
    assert judged(line, line) == ([None], [])


# .slipway/ignore.toml

ENTRY = '[[ignore]]\nrule = "S102"\npath = "src/**"\nuntil = 2027-01-31\nby = "ada"\nreason = "our own code"\n'


def test_an_entry_lets_a_rule_pass_in_its_files() -> None:
    ignores, faults = parse(ENTRY)
    assert faults == []
    assert ignores == [Ignore("S102", "src/**", dt.date(2027, 1, 31), "our own code", "ada")]
    told = judged(
        "", None, found(path="src/a/b.py"), found(path="app.py"), found(path="src/a.py", rule="S608"), ignores=ignores
    )
    assert told == ([".slipway/ignore.toml: our own code (by ada, until 2027-01-31)", None, None], [])
    former = found(path="src/a.py", commit="c" * 40)
    assert judged("", None, former, ignores=ignores)[0] != [None], "a former commit's too"


def test_an_entry_that_is_over_counts_again_and_is_shown_as_asking() -> None:
    ignores, _faults = parse(ENTRY)
    one = found(path="src/a.py")
    assert judged("", None, one, ignores=ignores, today=dt.date(2027, 2, 1)) == ([None], [1])
    ignores += [Ignore("ruff/S102", "src/a.py", None, "for ever")]
    assert judged("", None, one, ignores=ignores, today=dt.date(2027, 2, 1))[0] == [".slipway/ignore.toml: for ever"]


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("app.py", "app.py", True),
        ("app.py", "src/app.py", False),
        ("app.py", "appxpy", False),
        ("*.py", "app.py", True),
        ("*.py", "src/app.py", False),
        ("**/*.py", "app.py", True),
        ("**/*.py", "a/b/app.py", True),
        ("src/**", "src/a/b.py", True),
        ("src/**", "srcs/a.py", False),
        ("src/**/test.py", "src/test.py", True),
        ("src/**/test.py", "src/a/b/test.py", True),
        ("src/**/test.py", "src/atest.py", False),
        ("**", "a/b", True),
        ("a?.py", "ab.py", True),
        ("a?.py", "a/.py", False),
        ("[a].py", "a.py", False),
        ("[a].py", "[a].py", True),
        ("*", "a\nb", True),
        ("src/**", "src", False),
        ("**/a/**/b.py", "a/b.py", True),
        ("**/a/**/b.py", "x/a/y/z/b.py", True),
        ("**/a/**/b.py", "x/y/b.py", False),
        ("a*b*c", "a1b2b3c", True),
        ("a*b*c", "abcb", False),
        ("*b?*d", "abxd", True),
        ("*a*", "b", False),
    ],
)
def test_a_star_stays_in_its_folder_and_two_do_not(pattern: str, path: str, fits: bool) -> None:
    assert Ignore("S102", pattern, None, "x").covers(found(path=path)) is fits


@given(st.text("ab/*?", max_size=9), st.text("ab/", max_size=9))
def test_a_pattern_means_what_the_same_regular_expression_means(pattern: str, path: str) -> None:
    if any("**" in part and part != "**" for part in pattern.split("/")):
        return
    signs = {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"((?:^|(?<=/))\*\*/|\*\*|\*|\?)", pattern)
    same = re.fullmatch("".join(signs.get(part, part) for part in parts), path) is not None
    assert Ignore("S102", pattern, None, "x").covers(found(path=path)) is same


def test_no_pattern_takes_long_on_any_name() -> None:
    before = time.process_time()
    assert not Ignore("S102", "*a" * 150, None, "x").covers(found(path="a" * 4000 + "b"))
    assert not Ignore("S102", "**/" * 90 + "b", None, "x").covers(found(path="a/" * 2000 + "a"))
    assert time.process_time() - before < 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[ignore]]\n", "entry 1: rule is missing; entry 1: path is missing; entry 1: reason is missing"),
        (ENTRY.replace('reason = "our own code"\n', ""), "entry 1: reason is missing"),
        (ENTRY.replace("our own code", "  "), "entry 1: reason is missing"),
        (ENTRY.replace("until = 2027-01-31", "untill = 2027-01-31"), "entry 1: untill is unknown"),
        (ENTRY.replace("2027-01-31", '"next year"'), "entry 1: until is a day"),
        (ENTRY.replace("2027-01-31", "2027-01-31T00:00:00Z"), "entry 1: until is a day"),
        (ENTRY.replace("2027-01-31", "17"), "entry 1: until is a day"),
        (ENTRY.replace("S102", "*"), "entry 1: * is not the name of one rule"),
        (ENTRY.replace("S102", "S102,S608"), "is not the name of one rule"),
        (ENTRY.replace("src/**", "/src/**"), "from the root"),
        (ENTRY.replace("src/**", "a/../b"), "from the root"),
        (ENTRY.replace("src/**", "src/"), "write src/**"),
        (ENTRY.replace("src/**", "a**"), "stands alone"),
        (ENTRY.replace("src/**", "a" * 301), "300 characters"),
        (ENTRY.replace('"ada"', "7"), "by is a name"),
        (ENTRY.replace('"src/**"', "[1]"), "path is missing"),
        ('ignore = "S102"', "[[ignore]]"),
        ("ignore = [1]", "entry 1: it is no table"),
        ("[ignore]\nrule = 'x'", "[[ignore]]"),
        ("version = 1", "version is unknown"),
        ("rule: S102", "it is no TOML"),
        ("a = " + "[" * 5000, "it is no TOML"),
        ("a = " + "9" * 5000, "it is no TOML"),
        ("#" * 70_000, "65,536"),
        (ENTRY * 501, "at most 500" if len(ENTRY) * 501 <= 65_536 else "65,536"),
    ],
)
def test_what_is_wrong_is_said_and_not_applied(text: str, words: str) -> None:
    ignores, faults = parse(text)
    assert ignores == []
    assert words in "; ".join(faults)


def test_one_bad_entry_does_not_take_the_good_ones_along() -> None:
    ignores, faults = parse(
        ENTRY.replace("ada", "bob") + ENTRY.replace("rule", "rul") + ENTRY.replace("2027-01-31", '"2027-01-31"')
    )
    assert [(one.by, one.until) for one in ignores] == [("bob", dt.date(2027, 1, 31)), ("ada", dt.date(2027, 1, 31))]
    assert len(faults) == 2
    assert parse("") == ([], [])


# Whatever there is


@given(st.lists(st.text(alphabet="#/*<!->{}[]slipway: ignore until=noqa\t\r", max_size=40), max_size=6), st.booleans())
def test_odd_lines_break_nothing_and_excuse_nothing_by_themselves(lines: list[str], trusted: bool) -> None:
    told, asks = applied([found(1), found(2), found(0)], lambda _: lines, lambda _: [], [], TODAY, trusted=trusted)
    assert all(one.suppressed is None for one in told)
    assert len(asks) <= 3


@given(st.text(max_size=80))
def test_odd_files_are_read_or_told(text: str) -> None:
    ignores, faults = parse(text)
    assert ignores == []
    assert faults or not text.strip() or "#" in text
