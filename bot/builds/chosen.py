"""Which scanners look at a change: those of the house, and those that a policy names."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from bot.policy.scanning import Scanner
from bot.scanners import named
from bot.scanners.findings import Ran
from bot.scanners.tools import Tool


def chosen(tools: Sequence[Tool], scanners: Sequence[Scanner]) -> tuple[list[Tool], list[Ran]]:
    """The tools, and those that are named and that nobody here knows: no report of them is no pass."""
    found = {tool.name: tool for tool in tools}
    unknown: list[Ran] = []
    for one in scanners:
        if not one.wanted:
            continue
        if one.name in found:
            found[one.name] = dataclasses.replace(found[one.name], needed=found[one.name].needed or one.needed)
        elif one.described:
            found[one.name] = _described(one)
        else:
            fault = "is named in the policy; this server has no scanner of that name"
            unknown.append(Ran(one.name, fault=fault, needed=one.needed))
    return list(found.values()), unknown


def _described(one: Scanner) -> Tool:
    if one.rules:
        return named.engine(one.name, Path(one.rules), one.files, needed=one.needed)
    return named.program(one.name, one.command, one.files, needed=one.needed)
