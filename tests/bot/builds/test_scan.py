"""What a scan has laid out is its own until it has ended."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.builds.scan import Equipment, Scanning


class Git:
    """Lays out a tree that is old at once, as after a night in which the machine slept."""

    async def lay_out(self, _project: int, _files: object, folder: Path) -> None:
        folder.mkdir()
        os.utime(folder, (0, 0))


async def test_a_tree_that_is_read_is_never_tidied_away_however_old(tmp_path: Path) -> None:
    parts: Any = Git()
    asked: Any = SimpleNamespace(project=SimpleNamespace(id=1))
    scanning = Scanning(parts, parts, Equipment(parts, tmp_path, parts), lambda: 0.0)
    async with scanning._laid(asked, []) as root:
        await scanning.forget()
        assert root.exists()
    assert not root.exists()
