"""The planted set is as it says: its faults stand where they are said to, and nothing gives them away."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from tests.bot.scanners.planted import Class, Fault, Planted, hits, plant, tidy, unmarked


@dataclasses.dataclass(frozen=True)
class Spot:
    kind: str
    path: str
    line: int


@pytest.fixture(scope="module")
def set_(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"), "a seed")


def test_there_are_enough_faults_of_every_class(set_: Planted) -> None:
    counts = Counter(one.cls for one in set_.faults)
    least: dict[Class, int] = {
        "secret": 16,
        "python": 18,
        "javascript": 14,
        "docker": 5,
        "workflow": 4,
        "dependency": 4,
    }
    assert {cls: count for cls, count in least.items() if counts[cls] < count} == {}
    assert len(set_.faults) >= 60
    assert len({(one.path, one.line) for one in set_.faults}) == len(set_.faults)


def test_no_mark_is_left_in_what_scanners_read(set_: Planted) -> None:
    assert [path for path in set_.paths if "⟪" in (set_.root / path).read_text()] == []


def test_every_fault_is_in_a_line_that_has_something_in_it(set_: Planted) -> None:
    for one in set_.faults:
        assert (set_.root / one.path).read_text().splitlines()[one.line - 1].strip()


def test_a_secret_stands_in_its_line_and_nowhere_else(set_: Planted) -> None:
    whole = "\n".join((set_.root / path).read_text() for path in set_.paths)
    assert {whole.count(one) for one in set_.secrets} == {1}


def test_the_same_seed_gives_the_same_keys_and_another_one_others(set_: Planted, tmp_path: Path) -> None:
    env = (set_.root / ".env").read_text()
    assert plant(tmp_path / "again", "a seed").seed == "a seed"
    assert (tmp_path / "again/.env").read_text() == env
    assert plant(tmp_path / "other").seed != "a seed"
    assert (tmp_path / "other/.env").read_text() != env


def test_none_of_its_keys_is_in_this_repository(set_: Planted) -> None:
    sources = [one.read_text() for one in (Path(__file__).parent / "planted").glob("*.py")]
    assert [one for one in set_.secrets if any(one in source for source in sources)] == []


def test_the_clean_pair_is_written_and_has_no_key_of_a_provider(tmp_path: Path) -> None:
    assert {"flask/shop/app.py", "express/server.js"} <= set(tidy(tmp_path))
    assert (tmp_path / ".github/workflows/test.yml").is_file()


def test_marks_are_taken_off_and_counted_by_line() -> None:
    assert unmarked("a\nb  ⟪ wrong\n\nc ⟪ bad\n") == ("a\nb\n\nc\n", [(2, "wrong"), (4, "bad")])


def test_a_finding_counts_for_the_nearest_fault_of_its_class_and_path() -> None:
    one, two = Fault("python", "one", "a.py", 10), Fault("python", "two", "a.py", 12)
    other = Fault("docker", "three", "a.py", 11)
    assert hits([one, two, other], [Spot("code", "a.py", 11), Spot("code", "a.py", 13)]) == {
        one: True,
        two: True,
        other: False,
    }
    assert not any(hits([one, two], [Spot("config", "a.py", 10), Spot("code", "b.py", 10)]).values())
    assert not any(hits([one, two], [Spot("code", "a.py", 7), Spot("code", "a.py", 15)]).values())
