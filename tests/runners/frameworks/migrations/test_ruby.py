"""Rails' migrations: what they take away is known, unless only the way back does."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runners.frameworks.migrations import ruby, sql

FORM = """
class Change < ActiveRecord::Migration[7.1]
  def change
    {line}
  end
end
"""
DESTROYS = {
    "remove_column :users, :name, :string": "remove_column :users, :name, :string",
    'remove_column "users", "name"': "remove_column ,",
    "remove_columns(:users, :a, :b)": "remove_columns(:users, :a, :b)",
    "remove_reference :users, :team": "remove_reference :users, :team",
    "drop_table :users do |t|": "drop_table :users do",
    "rename_column :users, :a, :b": "rename_column :users, :a, :b",
    "rename_table :users, :people": "rename_table :users, :people",
    "change_table(:users) { |t| t.remove :name }": "t.remove :name }",
    "User.where(old: true).delete_all": "delete_all",
    'execute "DROP TABLE users"': "drops the table users",
    "execute('DELETE FROM users')": "deletes rows of users",
    "execute <<~SQL\n      DROP TABLE users\n    SQL": "drops the table users",
    "execute(<<-'SQL'.squish)\n      TRUNCATE users\n    SQL": "empties the table users",
    "execute(\n      'DROP TABLE users'\n    )": "drops the table users",
    "execute File.read('x.sql')": sql.UNSEEN,
    "execute sql": sql.UNSEEN,
    'puts "never ends': ruby.UNREAD,
    "execute <<~SQL\n  DROP": ruby.UNREAD,
}
HARMLESS = [
    "add_column :users, :name, :string",
    "create_table :users do |t|\n      t.string :name\n    end",
    "remove_index :users, :name",
    "remove_foreign_key :users, :teams",
    "rename_index :users, :a, :b",
    "change_column :users, :age, :bigint",
    "# drop_table :users",
    'say "drop_table :users"',
    "\n=begin\ndrop_table :users\n=end",
    'execute "CREATE INDEX a ON b (c)"',
    "execute <<~SQL\n      -- DROP TABLE users\n      UPDATE users SET a = 1\n    SQL",
]


@pytest.mark.parametrize(("line", "words"), DESTROYS.items())
def test_what_is_lost_is_told(line: str, words: str) -> None:
    assert ruby.rails(FORM.format(line=line)) == words


@pytest.mark.parametrize("line", HARMLESS)
def test_what_loses_nothing_is_let_through(line: str) -> None:
    assert ruby.rails(FORM.format(line=line)) is None


def test_the_way_back_loses_nothing() -> None:
    text = "class A\n  def up\n    add_column :a, :b\n  end\n  def down\n    drop_table :a\n    execute x\n  end\nend\n"

    assert ruby.rails(text) is None
    assert ruby.rails(text.replace("def down", "def self.up")) == "drop_table :a"


@given(some.text() | some.text(alphabet=some.sampled_from("dropex_tabl:<~-S\"'#{}\n=begind \\")))
def test_any_text_has_an_answer(text: str) -> None:
    found = ruby.rails(text)

    assert found is None or found


@pytest.mark.parametrize("part", ["<<~A\n", "<<A \n", "=begin\n", "'\\", '"', "def a\n", "execute ", "# \n", "__END__"])
def test_hostile_texts_are_read_in_time(part: str) -> None:
    began = time.monotonic()

    ruby.rails(part * (256 * 1024 // len(part)))

    assert time.monotonic() - began < 30
