"""Migrations are found where tools keep them, in their order, and bounded whatever a tree holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from runners.base import Plan
from runners.frameworks import Tree, detect, migrations

DELETES = "from django.db import migrations\nclass Migration(migrations.Migration):\n    operations = [{}]\n"
GOES = DELETES.format("migrations.DeleteModel('Order')")
STAYS = DELETES.format("migrations.AddField('order', 'total', None)")
UPGRADE = "revision = '1'\ndef upgrade():\n    op.drop_table('a')\n"


def found(folder: Path, files: dict[str, str | bytes]) -> dict[str, str | None]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {one.name: one.destroys for one in migrations.found(Tree.read(folder))}


PLACES: dict[str, str] = {
    "shop/migrations/0002_away.py": GOES,
    "packages/backend/apps/shop/migrations/0002_away.py": GOES,
    "migrations/versions/abc_away.py": UPGRADE,
    "alembic/versions/abc_away.py": UPGRADE,
    "prisma/migrations/20260101_away/migration.sql": "DROP TABLE a",
    "packages/db/prisma/migrations/20260101_away/migration.sql": "DROP TABLE a",
    "drizzle/0001_away.sql": "DROP TABLE a",
    "supabase/migrations/2026_away.sql": "DROP TABLE a",
    "db/migrations/000002_away.up.sql": "DROP TABLE a",
    "src/main/resources/db/migration/V2__away.sql": "DROP TABLE a",
    "migrations/2026_away/up.sql": "DROP TABLE a",
    "db/migrate/20260101000000_away.rb": "class A\n  def change\n    drop_table :a\n  end\nend\n",
    "db/animals_migrate/2026_away.rb": "class A\n  def up\n    drop_table :a\n  end\nend\n",
}
ELSEWHERE: dict[str, str] = {
    "shop/migrations/__init__.py": "",
    "shop/migrations/helpers.py": GOES,
    "shop/0002_away.py": GOES,
    "versions/abc.py": UPGRADE,
    "migrations/000002_away.down.sql": "DROP TABLE a",
    "migrations/2026_away/down.sql": "DROP TABLE a",
    "db/migration/U2__away.sql": "DROP TABLE a",
    "queries/clean.sql": "DELETE FROM a",
    "node_modules/x/migrations/0001_a.sql": "DROP TABLE a",
    "db/seeds.rb": "drop_table :a",
}


@pytest.mark.parametrize(("name", "text"), PLACES.items())
def test_a_migration_is_found_where_its_tool_keeps_it(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic/env.py").touch()
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/env.py").touch()

    seen = found(tmp_path, {name: text})

    assert list(seen) == [name]
    assert seen[name]


@pytest.mark.parametrize(("name", "text"), ELSEWHERE.items())
def test_what_only_looks_like_one_is_none(tmp_path: Path, name: str, text: str) -> None:
    assert found(tmp_path, {name: text}) == {}


def test_they_come_in_their_order_with_what_each_destroys(tmp_path: Path) -> None:
    seen = found(tmp_path, {"db/migration/V10__b.sql": "DROP TABLE b", "db/migration/V9__a.sql": "SELECT 1"})

    assert list(seen.items()) == [
        ("db/migration/V9__a.sql", None),
        ("db/migration/V10__b.sql", "drops the table b"),
    ]


def test_a_changed_migration_has_another_digest(tmp_path: Path) -> None:
    found(tmp_path, {"shop/migrations/0001_a.py": STAYS})
    (before,) = migrations.found(Tree.read(tmp_path))
    found(tmp_path, {"shop/migrations/0001_a.py": GOES})

    (after,) = migrations.found(Tree.read(tmp_path))

    assert before.name == after.name
    assert before.digest != after.digest


def test_what_is_no_text_too_large_or_broken_counts_as_destructive(tmp_path: Path) -> None:
    seen = found(
        tmp_path,
        {
            "a/migrations/0001_bytes.py": b"\xff\xfe\x00",
            "a/migrations/0002_zero.py": b"x = 1\0\n",
            "a/migrations/0003_large.py": "#" * (migrations.MOST_BYTES + 1),
            "a/migrations/0004_broken.py": "class (",
            "a/migrations/0005_fine.py": STAYS,
        },
    )

    assert [bool(words) for words in seen.values()] == [True, True, True, True, False]
    assert seen["a/migrations/0003_large.py"] == migrations.TOO_MUCH


def test_a_link_out_of_the_tree_and_a_pipe_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(GOES)
    folder = tmp_path / "tree/shop/migrations"
    folder.mkdir(parents=True)
    (folder / "0001_out.py").symlink_to(tmp_path / "outside.py")
    os.mkfifo(folder / "0002_pipe.py")

    assert found(tmp_path / "tree", {}) == {}


def test_of_too_many_the_newest_are_kept(tmp_path: Path) -> None:
    many = {f"a/migrations/{n:04}_x.py": STAYS for n in range(migrations.MOST + 20)}

    seen = found(tmp_path, {**many, "b/migrations/0001_only.py": GOES})

    assert len(seen) == migrations.MOST
    assert "b/migrations/0001_only.py" in seen
    assert f"a/migrations/{migrations.MOST + 19:04}_x.py" in seen
    assert "a/migrations/0000_x.py" not in seen


def test_of_too_many_bytes_the_oldest_are_not_read(tmp_path: Path) -> None:
    text = STAYS + "#" * (migrations.MOST_BYTES - len(STAYS))
    fit = migrations.MOST_TOTAL // migrations.MOST_BYTES

    seen = found(tmp_path, {f"a/migrations/{n:04}_x.py": text for n in range(fit + 2)})

    assert [bool(words) for words in seen.values()] == [True, True] + [False] * fit


def test_a_plan_has_them_and_they_change_nothing_of_what_is_built(tmp_path: Path) -> None:
    files = {"app.py": "from flask import Flask\napp = Flask(__name__)\n", "requirements.txt": "flask\n"}
    found(tmp_path, dict(files))
    before = detect(Tree.read(tmp_path))
    found(tmp_path, {"shop/migrations/0001_a.py": GOES})

    after = detect(Tree.read(tmp_path))

    assert before.migrations == ()
    assert after.migrations and after.migrations[0].destroys == "deletes the model Order"
    assert before.digest == after.digest
    assert Plan.from_json(json.loads(json.dumps(after.as_json()))).migrations == after.migrations


def test_a_plan_of_before_has_none_that_are_known() -> None:
    old = {"language": "python", "kind": "server", "start": "python app.py"}

    assert Plan.from_json(old).migrations is None
    # Written down by version 0.1.0: what was built under this name is not built again.
    assert Plan.from_json(old).digest == "95da535e55b15ca468522c3b3c7e1b3dd5daab0eb28a211520e45a9cd5522fa3"


NAMES = some.sampled_from([*PLACES, *ELSEWHERE, "migrations/env.py", "alembic/env.py"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(some.dictionaries(NAMES, some.binary(max_size=400), max_size=6))
def test_any_bytes_have_an_answer(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    seen = found(tmp_path_factory.mktemp("tree"), dict(files))

    assert all(words is None or words.isprintable() for words in seen.values())
