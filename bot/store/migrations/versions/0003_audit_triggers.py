"""the triggers that keep the books"""

from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

# A later batch migration of the table drops them with it; bot.store.engine makes them again after every migration.
TRIGGERS = {
    'audit_entry_update': """
    CREATE TRIGGER IF NOT EXISTS audit_entry_update BEFORE UPDATE ON audit_entry
    BEGIN SELECT RAISE(ABORT, 'the books are never changed'); END
    """,
    'audit_entry_delete': """
    CREATE TRIGGER IF NOT EXISTS audit_entry_delete BEFORE DELETE ON audit_entry
    BEGIN SELECT RAISE(ABORT, 'nothing is removed from the books'); END
    """,
    'audit_entry_insert': """
    CREATE TRIGGER IF NOT EXISTS audit_entry_insert BEFORE INSERT ON audit_entry
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit_entry)
    BEGIN SELECT RAISE(ABORT, 'the books only grow at their end'); END
    """,
}


def upgrade() -> None:
    for trigger in TRIGGERS.values():
        op.execute(trigger)


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f'DROP TRIGGER IF EXISTS {name}')
