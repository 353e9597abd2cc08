"""Commands, end to end: a comment on GitHub, what happens, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import SERVER, House, eventually, house

pytestmark = pytest.mark.slow


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


def reactions(home: House, comment: int) -> list[str]:
    return [one.content for one in home.github.hub.repo(home.repo).comments[comment].reactions]


async def reacted(home: House, comment: int, content: str) -> None:
    async def looked() -> bool | None:
        return True if content in reactions(home, comment) else None

    await eventually(looked)


async def live(home: House, files: dict[str, str] | None = None) -> int:
    number = await home.propose(files or SERVER)
    await home.says(number, "is live")
    return number


async def test_help_lists_every_command_in_one_answer(home: House) -> None:
    number = await live(home)

    comment = await home.github.comment(home.repo, number, "ann", "/help")

    await reacted(home, comment, "rocket")
    assert reactions(home, comment) == ["eyes", "rocket"]
    sticky, answer = home.comments(number)
    assert "/promote" in answer
    assert "is live" in sticky
