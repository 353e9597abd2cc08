"""Log lines: one each, and no secret in any."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from bot import telemetry

TOKEN = "ghs_" + "aB3" * 12
STATELESS = "ghs_123456_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTYifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {TOKEN} used", "token *** used"),
        (STATELESS, "***"),
        *((f"{kind}_{'x' * 36}", "***") for kind in ("ghp", "gho", "ghu", "ghr", "github_pat")),
        ("https://x-access-token:s3cret@github.com/a/b.git", "https://***@github.com/a/b.git"),
        ("https://s3cret@github.com/a", "https://***@github.com/a"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("{'authorization': 'token abc', 'b': 1}", "{'authorization': 'token ***', 'b': 1}"),
        ("sent bearer 0123456789abcdef", "sent bearer ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- end", "*** end"),
        ("-----BEGIN PRIVATE KEY-----\nMII", "***"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "***"),
        ("http://pr-1.localhost:8000/a@b ghs_short", "http://pr-1.localhost:8000/a@b ghs_short"),
    ],
)
def test_what_looks_like_a_secret_is_struck_out(text: str, shown: str) -> None:
    assert telemetry.redact(text) == shown


def test_a_long_text_is_searched_quickly() -> None:
    for text in ("-----BEGIN PRIVATE KEY-----" * 5_000, "://" * 50_000, "eyJ" * 50_000, "authorization " * 10_000):
        telemetry.redact(text)


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["machine", "terminal"])
def test_no_secret_is_logged_wherever_it_stands(stream: io.StringIO) -> None:
    telemetry.configure(stream=stream)
    try:
        raise ValueError(f"bad {TOKEN}")
    except ValueError:
        logging.getLogger("x").exception("failed with %s", TOKEN, extra={"header": f"Bearer {TOKEN}"})
    assert TOKEN not in stream.getvalue()
    assert stream.getvalue().count("***") >= 3


def test_elsewhere_a_record_is_one_line_of_json() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("x.y").exception("two\nlines", extra={"pull": 7})
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"], record["message"], record["pull"]) == ("error", "x.y", "two\nlines", "7")
    assert record["error"].endswith("ValueError: a\nb")
    assert record["at"].endswith("Z")


def test_on_a_terminal_nobody_forges_a_line() -> None:
    stream = Terminal()
    telemetry.configure(stream=stream)
    logging.getLogger("x").info("branch %s", "a\nINFO forged\x1b[2J\u2028b", extra={"pull": 7})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r"info    x: branch a\nINFO forged\x1b[2J\u2028b pull=7")


def test_chatty_libraries_are_quiet() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)
    logging.getLogger("httpx").info("HTTP Request: GET https://api.github.com")
    logging.getLogger("bot").debug("details")
    assert stream.getvalue() == ""


def test_values_that_are_hidden_are_blotted_out_line_by_line_and_short_ones_left_alone() -> None:
    telemetry.hide(["first-line-of-it\nsecond-line-of-it", "abc"])

    assert telemetry.redact("x first-line-of-it y\nsecond-line-of-it abc") == "x *** y\n*** abc"


def test_a_value_that_another_one_begins_with_is_blotted_out_whole() -> None:
    telemetry.hide(["hidden-part", "hidden-part-and-more"])

    assert telemetry.redact("hidden-part-and-more") == "***"
