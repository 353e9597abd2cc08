"""agents: who is one, what was let in, who is frozen"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('agent_freeze',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('agent_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('login', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('reason', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('by_id', sa.BigInteger(), nullable=False),
    sa.Column('by_login', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('at', sa.Float(), nullable=False),
    sa.Column('until', sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint('project_id', 'agent_id', name=op.f('pk_agent_freeze'))
    )
    op.add_column('pull_request', sa.Column('agent_id', sa.BigInteger(), nullable=True))
    op.add_column('pull_request', sa.Column('via_app', sa.BigInteger(), nullable=True))
    op.add_column('pull_request', sa.Column('attempts_from', sa.Float(), nullable=True))
    op.add_column('deployment', sa.Column('agent_id', sa.BigInteger(), nullable=True))
    op.add_column('deployment', sa.Column('admitted_at', sa.Float(), nullable=True))
    op.add_column('deployment', sa.Column('limits', sa.JSON(), nullable=True))
    with op.batch_alter_table('deployment', schema=None) as batch_op:
        batch_op.create_index('ix_deployment_agent', ['agent_id', 'admitted_at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('deployment', schema=None) as batch_op:
        batch_op.drop_index('ix_deployment_agent')

    for column in ('limits', 'admitted_at', 'agent_id'):
        op.drop_column('deployment', column)
    for column in ('attempts_from', 'via_app', 'agent_id'):
        op.drop_column('pull_request', column)
    op.drop_table('agent_freeze')
