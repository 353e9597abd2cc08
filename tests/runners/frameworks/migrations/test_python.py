"""Django's and Alembic's migrations: what they take away is known, and nothing of them is run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runners.frameworks.migrations import python

DJANGO = """
from django.db import migrations, models
from django.db.migrations import RemoveField as Away
{above}
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [{operations}]
"""
DESTROYS = {
    'migrations.RemoveField(model_name="order", name="total")': "removes the field order.total",
    'migrations.RemoveField("order", "total")': "removes the field order.total",
    'Away("order", "total")': "removes the field order.total",
    'migrations.DeleteModel(name="Order")': "deletes the model Order",
    'migrations.RenameField("order", "total", "sum")': "renames the field order.total",
    'migrations.RenameModel("Order", "Sale")': "renames the model Order",
    'migrations.AlterModelTable("Order", "sales")': "renames the table of Order",
    "migrations.DeleteModel(name=NAME)": "deletes the model ?",
    'migrations.RunSQL("DROP TABLE a")': "drops the table a",
    'migrations.RunSQL(sql="DROP TABLE a", reverse_sql="")': "drops the table a",
    'migrations.RunSQL(["SELECT 1", ("DELETE FROM a WHERE b = %s", [1])])': "deletes rows of a",
    'migrations.RunSQL(("SELECT 1", "DROP TABLE a"))': "drops the table a",
    "migrations.RunSQL(open('x.sql').read())": "runs SQL that can't be read here",
    "migrations.RunSQL(f'DROP TABLE {x}')": "runs SQL that can't be read here",
    "migrations.RunSQL(SQL)": "drops the table a",
    "migrations.SeparateDatabaseAndState(database_operations=[migrations.DeleteModel('Order')])": (
        "deletes the model Order"
    ),
    "migrations.RunPython(forward)": "drops the table b",
}
HARMLESS = [
    "",
    'migrations.AddField("order", "total", models.IntegerField(default=0))',
    'migrations.AlterField("order", "total", models.CharField(max_length=3))',
    'migrations.RemoveIndex("order", "one")',
    'migrations.RemoveConstraint("order", "one")',
    'migrations.RunSQL("CREATE INDEX a ON b (c)", "DROP TABLE b")',
    "migrations.RunSQL(migrations.RunSQL.noop, 'DROP TABLE a')",
    "migrations.RunPython(print, back)",
    "migrations.RunPython(print, reverse_code=back)",
    "migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel('Order')])",
    "# migrations.DeleteModel('Order')\n",
    "print('migrations.DeleteModel()')",
]
HELPERS = '''
SQL = """DROP TABLE a"""
def {name}(apps, schema_editor):
    schema_editor.execute("DROP TABLE b")
'''
ALEMBIC = """
import sqlalchemy as sa
from alembic import op
revision = "1"
down_revision = None
TEXT = "DROP TABLE a"

def upgrade():
    {up}

def downgrade():
    op.drop_table("a")
    op.drop_column("a", "b")
    op.execute("DROP TABLE a")

def helper():
    op.drop_table("helped")
"""
UPGRADES = {
    'op.drop_table("a")': "drops the table a",
    'op.drop_column("a", "b")': "drops the column a.b",
    'op.drop_column(table_name="a", column_name="b")': "drops the column a.b",
    'with op.batch_alter_table("a") as batch: batch.drop_column("b")': "drops the column b",
    'op.rename_table("a", "b")': "renames the table a",
    'op.alter_column("a", "b", new_column_name="c")': "renames the column a.b",
    'with op.batch_alter_table("a") as batch: batch.alter_column("b", new_column_name="c")': "renames the column b",
    'op.execute("DROP TABLE a")': "drops the table a",
    'op.execute(sa.text("DROP TABLE a"))': "drops the table a",
    'op.execute(sa.text("DELETE FROM a WHERE b = :b").bindparams(b=1))': "deletes rows of a",
    "op.execute(TEXT)": "drops the table a",
    "op.get_bind().execute(sa.text(TEXT))": "drops the table a",
    "op.execute(table.delete().where(table.c.a == 1))": "deletes rows of ?",
    "op.execute('DROP TABLE ' + 'a')": "drops the table a",
    "op.execute('DROP {}'.format('TABLE a'))": "runs SQL that can't be read here",
    "for each in ['SELECT 1', 'DROP TABLE a']: op.execute(each)": "drops the table a",
    "x = 'DROP '; x += 'TABLE a'; op.execute(x)": "runs SQL that can't be read here",
    "x = x + x; op.execute(x)": "runs SQL that can't be read here",
    "op.execute(made())": "runs SQL that can't be read here",
    "helper()": "drops the table helped",
    "sa.inspect(op.get_bind()); helper()": "drops the table helped",
}
PLAIN_UPGRADES = [
    "pass",
    'op.create_table("a", sa.Column("b", sa.Integer))',
    'op.add_column("a", sa.Column("b", sa.Integer))',
    'op.alter_column("a", "b", nullable=True)',
    'op.drop_index("a")',
    'op.drop_constraint("a", "b")',
    'op.execute("UPDATE a SET b = 1")',
    "op.execute(table.update().where(table.c.a == 1).values(b=2))",
    "op.bulk_insert(table, [])",
    "op.execute(sa.schema.CreateSequence(sa.Sequence('a')))",
]


@pytest.mark.parametrize(("operation", "words"), DESTROYS.items())
def test_what_djangos_operations_lose_is_told(operation: str, words: str) -> None:
    text = DJANGO.format(above=HELPERS.format(name="forward"), operations=operation)
    if "forward" not in operation:
        text = text.replace('schema_editor.execute("DROP TABLE b")', "pass")

    assert python.django(text) == words


@pytest.mark.parametrize("operation", HARMLESS)
def test_what_loses_nothing_in_django_is_let_through(operation: str) -> None:
    above = HELPERS.format(name="back") if "back" in operation else ""

    assert python.django(DJANGO.format(above=above, operations=operation)) is None


@pytest.mark.parametrize(("line", "words"), UPGRADES.items())
def test_what_an_upgrade_loses_is_told(line: str, words: str) -> None:
    assert python.alembic(ALEMBIC.format(up=line)) == words


@pytest.mark.parametrize("line", PLAIN_UPGRADES)
def test_what_only_the_downgrade_loses_is_not_lost(line: str) -> None:
    assert python.alembic(ALEMBIC.format(up=line)) is None


@pytest.mark.parametrize("text", ["def upgrade(:", "x = (" * 300, "\x00", "RunSQL(" + "(" * 5000])
def test_what_is_no_python_is_believed_to_destroy(text: str) -> None:
    assert python.django(text) == python.alembic(text) == python.UNREAD


@given(some.text())
def test_any_text_has_an_answer(text: str) -> None:
    for reader in (python.django, python.alembic):
        found = reader(text)
        assert found is None or found
