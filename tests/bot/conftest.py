"""A real database, and our HTTP door before it, new for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.store import Store
from tests.books import lay
from tests.bot.door import Door, opened


@pytest.fixture
def url(tmp_path: Path) -> str:
    return lay(tmp_path / "slipway.db")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    yield store
    store.close()


@pytest_asyncio.fixture
async def door(store: Store, tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(store, tmp_path) as door:
        yield door
