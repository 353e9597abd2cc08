"""the gate, and what people say by command"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('gate',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('sha', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('run', sa.Integer(), nullable=False),
    sa.Column('check_id', sa.BigInteger(), nullable=True),
    sa.Column('conclusion', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('title', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('opened_at', sa.Float(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=True),
    sa.Column('base', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.PrimaryKeyConstraint('project_id', 'sha', name=op.f('pk_gate'))
    )
    op.create_table('leave',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('project_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('what', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('sha', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('by_id', sa.BigInteger(), nullable=False),
    sa.Column('by_login', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('reason', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('at', sa.Float(), nullable=False),
    sa.Column('until', sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_leave'))
    )
    with op.batch_alter_table('leave', schema=None) as batch_op:
        batch_op.create_index('ix_leave_pull', ['project_id', 'number'], unique=False)
    op.add_column('pull_request', sa.Column('pusher_id', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column('pull_request', 'pusher_id')
    op.drop_table('leave')
    op.drop_table('gate')
