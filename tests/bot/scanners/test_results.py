"""What is known of a file is kept, and is never more than what was found in that very file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.scanners.findings import Finding
from bot.scanners.results import KEPT_SECONDS, Results

FOUND = Finding("ruff", "S608", "code", 7.5, "shop.py", 3, 4, "SQL of strings", "3f9a1c0b00000001:0", help="Bind it")
SCANNERS, BLOB = "1\nruff 0.15.0", "b" * 40


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def files(results: Results) -> list[Path]:
    return [path for path in results.folder.rglob("*") if path.is_file()]


def test_what_was_put_is_got(results: Results) -> None:
    results.put(SCANNERS, "shop.py", BLOB, [FOUND])
    assert results.get(SCANNERS, "shop.py", BLOB) == [FOUND]


def test_nothing_found_is_an_answer_and_nothing_known_is_none(results: Results) -> None:
    assert results.get(SCANNERS, "shop.py", BLOB) is None
    results.put(SCANNERS, "shop.py", BLOB, [])
    assert results.get(SCANNERS, "shop.py", BLOB) == []


@pytest.mark.parametrize(
    ("scanners", "path", "blob"),
    [("1\nruff 0.16.0", "shop.py", BLOB), (SCANNERS, "tests/shop.py", BLOB), (SCANNERS, "shop.py", "c" * 40)],
)
def test_other_scanners_another_path_another_content_are_looked_at(
    results: Results, scanners: str, path: str, blob: str
) -> None:
    results.put(SCANNERS, "shop.py", BLOB, [])
    assert results.get(scanners, path, blob) is None


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a\nb.py", "-rf", "x" * 5000, "caf\udce9.py", ""])
def test_a_hostile_name_is_only_a_name(results: Results, path: str) -> None:
    results.put(SCANNERS, path, BLOB, [FOUND])
    assert results.get(SCANNERS, path, BLOB) == [FOUND]
    (file,) = files(results)
    assert file.is_relative_to(results.folder) and len(file.name) == 62


@pytest.mark.parametrize("left", [b"", b"[", b"{}x", b"null", b"7", b'[{"tool": "ruff"}]', b"[1]", b"\xff\xfe"])
def test_a_file_that_was_cut_off_or_spoiled_is_no_answer(results: Results, left: bytes) -> None:
    results.put(SCANNERS, "shop.py", BLOB, [FOUND])
    (file,) = files(results)
    file.write_bytes(left)
    assert results.get(SCANNERS, "shop.py", BLOB) is None

    results.put(SCANNERS, "shop.py", BLOB, [FOUND])
    assert results.get(SCANNERS, "shop.py", BLOB) == [FOUND]


def test_it_is_there_whole_or_not_at_all(results: Results) -> None:
    results.put(SCANNERS, "shop.py", BLOB, [FOUND])
    (file,) = files(results)
    before = file.stat().st_ino

    results.put(SCANNERS, "shop.py", BLOB, [])

    assert files(results) == [file] and file.stat().st_ino != before  # another file took its place


def test_what_nobody_asked_for_in_a_long_time_is_forgotten(results: Results) -> None:
    for path in ("old.py", "asked.py", "new.py"):
        results.put(SCANNERS, path, BLOB, [FOUND])
    for file in files(results):
        os.utime(file, (1_000_000.0, 1_000_000.0))
    results.get(SCANNERS, "asked.py", BLOB)
    results.put(SCANNERS, "new.py", BLOB, [])

    results.forget()

    assert results.get(SCANNERS, "old.py", BLOB) is None
    assert results.get(SCANNERS, "asked.py", BLOB) == [FOUND]
    assert results.get(SCANNERS, "new.py", BLOB) == []


def test_it_is_forgotten_only_after_its_time(results: Results) -> None:
    results.put(SCANNERS, "shop.py", BLOB, [])
    (file,) = files(results)
    os.utime(file, (1_000.0, 1_000.0))
    results.forget(1_000.0 + KEPT_SECONDS)
    assert files(results) == [file]
    results.forget(1_001.0 + KEPT_SECONDS)
    assert files(results) == []


def test_a_folder_that_is_not_there_has_nothing_to_forget(results: Results) -> None:
    results.forget()
    assert files(results) == []
