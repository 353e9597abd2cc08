"""docs/audit.md knows every word that the sources write into the books, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
WRITTEN = re.compile(r'\b(?:Entry|entry|line|of_preview)\((?:\s*session,)?\s*f?"([a-z]+)\.')
SILENT = {ROOT / "bot" / "audit", ROOT / "bot" / "messages"}  # they write no line: one is the chain, one is words
MADE = {  # with an f-string
    "comment": {"edited", "deleted"},
    "leave": {"approve", "ack", "ignore", "override"},
    "preview": {"failed", "refused", "cancelled"},
    "release": {"verified", "failed", "inconclusive"},
}


def sources() -> list[str]:
    paths = [path for folder in ("bot", "handlers") for path in (ROOT / folder).rglob("*.py")]
    return [path.read_text() for path in paths if path.parent not in SILENT]


def listed() -> set[str]:
    table = (ROOT / "docs/audit.md").read_text().partition("## What has a line")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`([a-z]+\.[a-z_]+)`", row)}


def written() -> set[str]:
    texts = sources()
    topics = {topic for text in texts for topic in WRITTEN.findall(text)} | {
        word.partition(".")[0] for word in listed()
    }
    literal = re.compile(rf'"((?:{"|".join(sorted(topics))})\.[a-z_]+)"')
    made = {f"{topic}.{word}" for topic, words in MADE.items() for word in words}
    return {word for text in texts for word in literal.findall(text)} | made


def test_every_word_of_the_books_is_explained() -> None:
    assert written() - listed() == set()


def test_no_word_is_explained_that_nobody_writes() -> None:
    assert listed() - written() == set()


def test_what_is_put_together_is_what_there_is() -> None:
    topics = {word.partition(".")[0] for word in listed()}
    made = {topic for text in sources() for topic in re.findall(r'f"([a-z]+)\.\{', text)}
    assert made & topics == MADE.keys()
