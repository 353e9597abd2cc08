"""The tables of a scan's check, as long as GitHub takes them.  Pure.

Paths, rules and messages come out of the pull request and of tools: nothing of them gets into Markdown unescaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bot.messages import code, duration, inline
from bot.scanners.findings import Finding, Ran, Severity

SHOWN = 30  # findings in the table: the gravest
LESSER = 20  # known, suppressed and such, each

_SIGNS = {Severity.CRITICAL: "🔴", Severity.HIGH: "🔴", Severity.MEDIUM: "🟡", Severity.LOW: "⚪"}
_URL = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/%#?=&+,;:-]*)?")


def worst(found: Sequence[Finding]) -> str:
    """The findings that count, the gravest first as they come."""
    head = "| | where | rule | what | how to mend | id |\n| --- | --- | --- | --- | --- | --- |"
    rows = (
        f"| {_SIGNS[one.severity]} {one.severity.word} | {_where(one)} | {named(one)} | {_said(one.message, 300)} "
        f"| {_said(one.help, 200)} | {code(plain(one.id, 40))} |"
        for one in found[:SHOWN]
    )
    return _table(head, rows, len(found), 30_000)


def others(title: str, found: Sequence[Finding], last: str) -> str:
    """Findings that do not count, folded.  `last`: the last column's name when it says why; else it says what."""
    if not found:
        return ""
    head = f"| | where | rule | {last or 'what'} | id |\n| --- | --- | --- | --- | --- |"
    rows = (
        f"| {one.severity.word} | {_where(one)} | {named(one)} "
        f"| {_said((one.suppressed or '') if last else one.message, 160)} | {code(plain(one.id, 40))} |"
        for one in found[:LESSER]
    )
    return _folded(f"{title} ({len(found)})", _table(head, rows, len(found), 8_000))


def missing(faults: Sequence[Ran]) -> str:
    """The scanners that were needed and gave no report."""
    head = "| no report of | why |\n| --- | --- |"
    rows = (f"| {code(plain(one.tool, 60))} | {_said(one.fault or '', 300)} |" for one in faults[:LESSER])
    return _table(head, rows, len(faults), 5_000) if faults else ""


def turns(ran: Sequence[Ran]) -> str:
    """All scanners, folded: which version looked, for how long, and what kept the others from it."""
    if not ran:
        return ""
    head = "| scanner | version | took | |\n| --- | --- | ---: | --- |"
    rows = (
        f"| {code(plain(one.tool, 60))} | {_said(one.version, 40)} | {duration(one.seconds) if one.seconds else ''} "
        f"| {_outcome(one)} |"
        for one in ran[:LESSER]
    )
    return _folded(f"Scanners ({len(ran)})", _table(head, rows, len(ran), 5_000))


def _outcome(one: Ran) -> str:
    if one.fault is None:
        return "looked"
    return f"no report: {_said(one.fault, 200)}" if one.needed else f"did not run: {_said(one.fault, 200)}"


def _table(head: str, rows: Iterable[str], of: int, most: int) -> str:
    """As many rows as fit into so many bytes; says how many are left out."""
    kept, size = list[str](), 0
    for row in rows:
        size += len(row.encode()) + 1
        if size > most:
            break
        kept.append(row)
    if not kept:
        return f"{of} in all, none short enough to be shown here." if of else ""
    more = f"\n\nAnd {of - len(kept)} more." if of > len(kept) else ""
    return "\n".join([head, *kept]) + more


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _where(one: Finding) -> str:
    path, lined = plain(one.path[-400:], 400), f":{one.line}" if one.line > 0 else ""
    short = path if len(path) <= 120 else f"…{path[-119:]}"
    seen = f" in commit {code(plain(one.commit, 64)[:7])}, gone since" if one.commit else ""
    return f"{code(f'{short}{lined}')}{seen}"


def named(one: Finding) -> str:
    """Its rule, with the page about it."""
    name = code(plain(one.rule, 80)) or code(plain(one.tool, 80))
    return f"[{name}]({one.url})" if name and len(one.url) <= 300 and _URL.fullmatch(one.url) else name


def _said(text: str, most: int) -> str:
    return inline(plain(text, most + 1), most)


def plain(text: str, most: int) -> str:
    """One line of outside text that can be seen and sent: no control or joining characters, no broken Unicode."""
    return "".join(letter for letter in " ".join(text[: 4 * most].split()) if letter.isprintable())[:most]


def spot(one: Finding) -> str:
    """Where it is, as plain text."""
    lined = f" line {one.line}" if one.line > 0 else ""
    return f"{plain(one.path, 100)}{lined}{f' (commit {one.commit[:7]})' if one.commit else ''}"
