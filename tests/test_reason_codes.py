"""docs/reason-codes.md knows every code that the sources know."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GIVEN = (
    re.compile(r'\brefused\(\s*"([a-z_]+)"'),
    re.compile(r'\bObjection\(\s*"[a-z]+",\s*"([a-z_]+)"'),
    re.compile(r'\b_unknown\(\s*"[a-z]+",\s*"([a-z_]+)"'),
    re.compile(r'"reason_code": "([a-z_]+)"'),
    re.compile(r'\bexplain, [^"]*"([a-z_]+)"'),
)
STEPS = re.compile(r'\bstep="([a-z]+)"')


def given() -> set[str]:
    sources = [path.read_text() for folder in ("bot", "handlers") for path in (ROOT / folder).rglob("*.py")]
    codes = {code for text in sources for pattern in GIVEN for code in pattern.findall(text)}
    failed = [path.read_text() for folder in ("bot", "runners") for path in (ROOT / folder).rglob("*.py")]
    return codes | {f"{step}_failed" for text in failed for step in STEPS.findall(text)}


def listed() -> set[str]:
    rows = [line for line in (ROOT / "docs/reason-codes.md").read_text().splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def test_every_code_is_listed() -> None:
    assert given() - listed() == set()
