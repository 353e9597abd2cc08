"""The chapter about the scan: a key that is new every time, a change with all three faults, and one with none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.console import Console

from bot.scanners.findings import Severity
from bot.scanners.running import scan
from demo import security
from demo.security import AGENT, BRANCH, PACKAGE, REPO, Security, careless, holding, leaked, mended
from runners.process.locked import ProcessBox
from tests.demo.conftest import World


def test_no_two_keys_are_alike_and_none_stands_in_the_chapter() -> None:
    assert leaked() != leaked()
    assert len(leaked()) == len("sk_live_51") + 97
    assert "sk_" + "live_5" not in Path(security.__file__).read_text()


def test_the_careless_change_holds_all_three_faults() -> None:
    files = careless("the key")
    assert 'STRIPE_KEY = "the key"' in files["config.py"]
    assert f"\n{PACKAGE}==" in files["requirements.txt"]
    assert "execute(f\"SELECT id, name FROM items WHERE name = '{word}'\")" in files["app.py"]


def test_the_mended_change_holds_none_of_them_and_the_same_page() -> None:
    files = mended()
    assert set(files) == set(careless("the key"))
    assert PACKAGE not in files["requirements.txt"]
    assert "execute(QUERY, (word,))" in files["app.py"]
    assert 'f"SELECT' not in files["app.py"]
    assert '@app.get("/api/search")' in files["app.py"]


def test_both_are_python() -> None:
    for files in (careless("the key"), mended()):
        for path in ("app.py", "config.py"):
            ast.parse(files[path])


def test_books_and_log_that_repeat_the_key_are_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert holding("the key", home) == []
    (tmp_path / "slipway.log").write_text("began\nthe key\n")
    (home / "slipway.db").write_text("nothing")
    (home / "slipway.db-wal").write_text("a row: the key")
    assert holding("the key", home) == ["slipway.db-wal", "slipway.log"]


@pytest.mark.slow
async def test_the_scanners_see_the_key_and_the_injection_and_nothing_once_both_are_mended(tmp_path: Path) -> None:
    grave: list[set[tuple[str, str]]] = []
    for name, files in (("careless", careless(leaked())), ("mended", mended())):
        root = tmp_path / name
        root.mkdir()
        for path, text in files.items():
            (root / path).write_text(text)
        found, ran = await scan(root, sorted(files), ProcessBox(), tmp_path / "cache")
        assert [one.fault for one in ran if one.needed and one.fault] == []
        grave.append({(one.kind, one.path) for one in found if one.severity >= Severity.HIGH})
    assert grave == [{("secret", "config.py"), ("code", "app.py")}, set()]


async def test_the_mended_push_leaves_no_commit_with_the_key_in_the_branch(world: World) -> None:
    chapter = Security(world.gh, "http://localhost:1", world.http, Console(quiet=True))
    await chapter._people()
    await world.gh.branch_commit(REPO, BRANCH, careless("the key"), "Search", author=AGENT[0])
    number = await world.gh.open_pull(REPO, BRANCH, "main", "Search", "", AGENT[0])
    before = chapter.head(REPO, number)

    await chapter._pushes_afresh(mended(), "Search, safely")

    git, head = world.gh.hub.repo(REPO).git, chapter.head(REPO, number)
    main = (await git.refs())["refs/heads/main"]
    assert head != before
    assert [one.sha for one in await git.log(head, f"^{main}", limit=9)] == [head]
