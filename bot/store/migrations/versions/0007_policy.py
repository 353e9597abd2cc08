"""policy: the layers' texts, what pull requests would make of them, decisions"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('decision',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('at', sa.Float(), nullable=False),
    sa.Column('project_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=True),
    sa.Column('environment', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('policy_digest', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('allowed', sa.Boolean(), nullable=False),
    sa.Column('codes', sa.JSON(), nullable=False),
    sa.Column('rulings', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_decision'))
    )
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.create_index('ix_decision_pull', ['project_id', 'number', 'id'], unique=False)

    op.create_table('policy_change',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sha', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('way', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('told', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('run', sa.Integer(), nullable=False),
    sa.Column('at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('project_id', 'number', name=op.f('pk_policy_change'))
    )
    op.create_table('policy_text',
    sa.Column('layer', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('text', sa.LargeBinary(), nullable=True),
    sa.Column('sha', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('valid_text', sa.LargeBinary(), nullable=True),
    sa.Column('valid_sha', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('read_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('layer', name=op.f('pk_policy_text'))
    )


def downgrade() -> None:
    for table in ('policy_text', 'policy_change'):
        op.drop_table(table)
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.drop_index('ix_decision_pull')

    op.drop_table('decision')
