"""The chapter about the scan: a key that is new every time, a change with all three faults, and one with none."""

from __future__ import annotations

import ast
from pathlib import Path

from demo import security
from demo.security import PACKAGE, careless, holding, leaked, mended


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
