"""Nothing hides from the real kingfisher behind the name of an image or a font."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.scanners.neutral import PASSED_OVER, neutral
from bot.scanners.running import scan
from bot.scanners.tools import SCANNERS
from demo.security import leaked
from runners.process.locked import ProcessBox
from tests.bot.scanners.kept import CACHE

KINGFISHER = next(one for one in SCANNERS if one.name == "kingfisher")


async def found(root: Path, paths: list[str]) -> set[str]:
    seen, ran = await scan(root, paths, ProcessBox(), CACHE, [KINGFISHER])
    assert [one.fault for one in ran] == [None]
    return {one.path for one in seen}


@pytest.mark.skipif(KINGFISHER.binary() is None, reason="needs the extra `scan`")
async def test_a_key_is_found_whatever_the_file_is_called(tmp_path: Path) -> None:
    text = f'STRIPE_KEY = "{leaked()}"\n'
    places = [f"{number}/logo{end}" for number, end in enumerate((*PASSED_OVER, ".PNG", ".webp", ".pdf", ".mp4"))]
    for place in places:
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_text(text)
    assert "0/logo.png" not in await found(tmp_path, places), "kingfisher reads them now: this module can go"

    names = neutral(tmp_path, places)

    assert await found(tmp_path, list(names.values())) == set(names.values())


def test_what_is_an_image_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (tmp_path / "note.txt").write_text("text")
    assert neutral(tmp_path, ["logo.png", "note.txt"]) == {"logo.png": "logo.png", "note.txt": "note.txt"}


def test_no_name_is_taken_from_another_file(tmp_path: Path) -> None:
    for name in ("0.txt", "a.svg", "b.svg"):
        (tmp_path / name).write_text(name)
    names = neutral(tmp_path, ["0.txt", "a.svg", "b.svg"])
    assert {place: (tmp_path / name).read_text() for place, name in names.items()} == {
        "0.txt": "0.txt",
        "a.svg": "a.svg",
        "b.svg": "b.svg",
    }


def test_thousands_of_such_names_cost_one_look_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [f"{number}.png" for number in range(300)]
    for place in places:
        (tmp_path / place).touch()
    looks: list[Path] = []

    def look(path: Path) -> bool:
        looks.append(path)
        return path.is_symlink() or path.exists()

    monkeypatch.setattr(os.path, "lexists", look)

    names = neutral(tmp_path, places)

    assert len(set(names.values())) == len(looks) == 300
