"""GitHub's limits on text, kept at the edge: what is too long is cut, and says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CHECK_TEXT = 65_535  # characters of a check run's summary, and of its text
COMMENT = 65_536  # characters
LINE = 140  # characters of a deployment's or a status's description
TITLE = 255  # characters of an annotation's title
MESSAGE = 64 * 1024  # bytes of an annotation's message
ANNOTATIONS = 50  # in one request; further requests append

NOTE = "\n\n*… cut here: GitHub takes no more.*"
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")


def fit(text: str, limit: int) -> str:
    """Markdown of at most `limit` characters, cut at a line's end; an open code fence is closed before the note."""
    if len(text) <= limit:
        return text
    room = limit - len(NOTE)
    cut = text[: room - 64]  # fences longer than this are none that we write
    cut = cut[: cut.rfind("\n")] if "\n" in cut[len(cut) // 2 :] else cut
    fence = _open_fence(cut)
    return cut + (f"\n{fence[:60]}" if fence else "") + NOTE


def line(text: str, limit: int = LINE) -> str:
    """One line of at most `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def annotation(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation in GitHub's own words, its texts within the limits."""
    told = dict(raw)
    told["message"] = told["message"].encode("utf-8", "replace")[:MESSAGE].decode("utf-8", "ignore")
    if told.get("title"):
        told["title"] = line(told["title"], TITLE)
    if told["start_line"] != told["end_line"]:
        told.pop("start_column", None)  # GitHub takes columns on a single line only
        told.pop("end_column", None)
    return told


def _open_fence(text: str) -> str:
    """The fence that closes the code block which `text` ends in, or nothing."""
    fence = ""
    for each in text.splitlines():
        found = FENCE.match(each)
        if not found:
            continue
        marks, rest = found.groups()
        if not fence:
            # An info string with backticks makes it inline code, not a block.
            fence = "" if marks[0] == "`" and "`" in rest else marks
        elif marks.startswith(fence) and not rest.strip():
            fence = ""
    return fence
