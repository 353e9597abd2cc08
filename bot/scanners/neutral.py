"""Names that keep no scanner from reading: kingfisher passes over what is called an image or a font, whatever it is."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from pathlib import Path

PASSED_OVER = (
    *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".svg"),
    *(".woff", ".woff2", ".ttf", ".otf", ".eot"),
)
FIRST = 8 << 10  # bytes of a file that are looked at: text has no NUL in them


def neutral(root: Path, places: Iterable[str]) -> dict[str, str]:
    """Give text below `root` that is called an image or a font a name that all read, in the same folder.

    Answers with the name that each of the places has now.  Blocks."""
    now = {}
    numbers = itertools.count()  # of all folders: none is tried for each file anew
    for place in places:
        now[place] = place
        if place.lower().endswith(PASSED_OVER) and _text(root / place):
            folder = place.rpartition("/")[0]
            names = (f"{folder}/{number}.txt".lstrip("/") for number in numbers)
            now[place] = next(name for name in names if not os.path.lexists(root / name))
            (root / place).rename(root / now[place])
    return now


def _text(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"\0" not in stream.read(FIRST)
