"""what became known after a scan, and the nights that looked for it"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('late_finding',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sha', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('fingerprint', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('finding', sa.JSON(), nullable=False),
    sa.Column('since', sa.Boolean(), nullable=False),
    sa.Column('at', sa.Float(), nullable=False),
    sa.Column('day', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('project_id', 'number', 'sha', 'fingerprint', name=op.f('pk_late_finding'))
    )
    op.create_table('night',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('day', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', sa.Float(), nullable=False),
    sa.Column('found', sa.JSON(), nullable=False),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('told_at', sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint('project_id', 'day', name=op.f('pk_night'))
    )
    with op.batch_alter_table('night', schema=None) as batch_op:
        batch_op.create_index('ix_night_untold', ['at'], unique=False, sqlite_where=sa.text('told_at IS NULL'))


def downgrade() -> None:
    op.drop_table('night')
    op.drop_table('late_finding')
