"""SQL that takes something away is known; comments, strings and what only looks like it are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runners.frameworks.migrations import sql

DESTROYS = {
    "drop table users": "drops the table users",
    'DROP TABLE IF EXISTS "public"."users" CASCADE;': "drops the table public.users",
    "DROP TABLE [dbo].users": "drops the table dbo",
    "DROP VIEW v": "drops the view v",
    "ALTER TABLE orders DROP COLUMN total": "drops the column total",
    "ALTER TABLE orders ADD a int, DROP b": "drops the column b",
    "ALTER TABLE orders DROP key;": "drops the column key",
    "ALTER TABLE orders RENAME TO sales": "renames orders, or part of it",
    "RENAME TABLE orders TO sales": "renames orders, or part of it",
    "ALTER TABLE orders CHANGE a b INT": "renames the column a",
    "TRUNCATE TABLE orders": "empties the table orders",
    "DELETE FROM orders WHERE total = 0": "deletes rows of orders",
    "WITH old AS (SELECT 1) DELETE FROM orders": "deletes rows of orders",
    "MERGE INTO a USING b ON x WHEN MATCHED THEN DELETE;": "deletes rows of ?",
    "CREATE TABLE a (b int)\nGO\nDROP TABLE c\nGO": "drops the table c",
    "SELECT 1; /* one */ DROP TABLE a -- two": "drops the table a",
    "SELECT 'it''s'; DROP TABLE a": "drops the table a",
    "SELECT 'it\\'; DROP TABLE a; --'": "drops the table a",  # as one dialect reads it
    "/*!40101 DROP TABLE a */": "drops the table a",
    "DO $$ BEGIN DROP TABLE a; END $$": "drops the table a",
    "DELIMITER //\nDROP TABLE a//": "drops the table a",
    "DELIMITER $$\nDROP TABLE a$$": "drops the table a",
    "DO $x$ BEGIN EXECUTE 'DR' || 'OP TABLE a'; END $x$": sql.UNSEEN,
    "EXEC(@statement)": sql.UNSEEN,
    "EXEC sp_rename 'a', 'b'": sql.UNSEEN,
    "SELECT 'never ends": "its SQL can't be read",
    "/* never ends": "its SQL can't be read",
    "DO $$ never ends": "its SQL can't be read",
    "-- migrate:up\nDROP TABLE a;\n-- migrate:down\nCREATE TABLE a (b int);": "drops the table a",
}
HARMLESS = [
    "",
    ";;;",
    "CREATE TABLE a (b int REFERENCES c ON DELETE CASCADE)",
    "ALTER TABLE a ADD COLUMN b int",
    "ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER COLUMN b DROP DEFAULT",
    "ALTER TABLE a DROP CONSTRAINT b, DROP KEY c",
    "ALTER TABLE a CHANGE b b BIGINT",
    "ALTER INDEX a RENAME TO b",
    "ALTER TABLE a RENAME CONSTRAINT b TO c",
    "DROP INDEX CONCURRENTLY a",
    "-- DROP TABLE a",
    "/* DROP TABLE a */ SELECT 1",
    "INSERT INTO a VALUES ('DROP TABLE b; DELETE FROM c')",
    'SELECT "DROP" FROM "DELETE"',
    "SELECT `drop` FROM a",
    "GRANT SELECT, DELETE, TRUNCATE ON a TO b",
    "CREATE POLICY p ON a FOR DELETE USING (true)",
    "CREATE TRIGGER t AFTER INSERT OR DELETE ON a EXECUTE FUNCTION f()",
    "CREATE FUNCTION f() RETURNS void AS $$ BEGIN DELETE FROM a; END $$ LANGUAGE plpgsql",
    "SELECT truncate(1.5)",
    "UPDATE a SET dropped = true",
    "COMMENT ON TABLE a IS $$ DROP TABLE a $$",
    "-- +goose Up\nCREATE TABLE a (b int);\n-- +goose Down\nDROP TABLE a;",
    "-- migrate:up\nCREATE TABLE a (b int);\n-- migrate:down\nDROP TABLE a;",
]


@pytest.mark.parametrize(("text", "words"), DESTROYS.items())
def test_what_is_lost_is_told(text: str, words: str) -> None:
    assert sql.destroys(text) == words


@pytest.mark.parametrize("text", HARMLESS)
def test_what_loses_nothing_is_let_through(text: str) -> None:
    assert sql.destroys(text) is None


@given(some.text(alphabet=some.sampled_from("DROPTABLEdeltx '\"`$\\/*-;#\n()[].@é"), max_size=200) | some.text())
def test_any_text_has_an_answer(text: str) -> None:
    found = sql.destroys(text)

    assert found is None or found


@given(some.text(alphabet=some.characters(exclude_characters="'\\")))
def test_nothing_in_a_string_is_a_statement(text: str) -> None:
    assert sql.destroys(f"INSERT INTO a VALUES ('{text}')") is None or "\n" in text


@pytest.mark.parametrize(
    "part", ["$a$ $b$ ", "/*", "'", "\\'", "--\n", "DROP ", "a.", "/* *", "$", "/*!", "-- +goose Down\n"]
)
def test_hostile_texts_are_read_in_time(part: str) -> None:
    began = time.monotonic()

    sql.destroys(part * (256 * 1024 // len(part)))

    assert time.monotonic() - began < 30
