"""A change does not excuse itself, end to end: not by a file of its own, not by a comment for the scanner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.builds.scan import IGNORES, Equipment
from bot.messages.scan import CHECK
from bot.scanners.dependencies import Indexes, Registries
from bot.scanners.tools import SCANNERS
from bot.settings import Settings
from demo.security import INJECTED
from runners.choose import box
from tests.house import SERVER, House, eventually, stage

pytestmark = pytest.mark.slow
INJECTION = "import sqlite3\nfrom flask import Flask, jsonify, request\napp = Flask(__name__)\n" + INJECTED
ENTRY = '[[ignore]]\nrule = "S608"\npath = "shop.py"\nreason = "the word is checked before"\n'


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """A house that scans Python only."""

    async def equipment(settings: Settings) -> Equipment:
        place = await box("process", settings.home.absolute())
        ruff = tuple(tool for tool in SCANNERS if tool.name == "ruff")
        return Equipment(place, tmp_path / "scan", Registries(Indexes.here({})), ruff)

    async with stage(tmp_path) as one:
        one.equipment = equipment
        await one.start()
        try:
            yield one
        finally:
            await one.stop()


async def ended(home: House, number: int) -> Any:
    sha = str(home.github.hub.pull(home.repo, number).head_sha)

    async def look() -> Any:
        every = home.checks(sha, CHECK)
        return every[-1] if every and every[-1].status == "completed" else None

    return await eventually(look)


async def test_only_the_file_of_the_base_excuses(home: House) -> None:
    number = await home.propose({**SERVER, "shop.py": INJECTION, IGNORES: ENTRY}, branch="excuses-itself")
    assert (await ended(home, number)).conclusion == "failure"

    await home.github.branch_commit(home.repo, "main", {IGNORES: ENTRY}, "Known", author="ann")
    other = await home.propose({**SERVER, "shop.py": INJECTION}, branch="excused")
    run = await ended(home, other)
    assert run.conclusion == "success"
    assert "the word is checked before" in run.summary


async def test_a_comment_for_the_scanner_silences_nothing(home: House) -> None:
    quiet = "\n".join(f"{line}  # noqa" if "execute" in line else line for line in INJECTION.split("\n"))
    number = await home.propose({**SERVER, "shop.py": f"# ruff: noqa\n{quiet}", "ruff.toml": 'exclude = ["*"]\n'})

    run = await ended(home, number)

    assert run.conclusion == "failure" and "S608" in run.summary
    assert "without the right to" in run.summary
