"""secrets of environments, sealed"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('secret',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('environment', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('name', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('set_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('project_id', 'environment', 'name', name=op.f('pk_secret'))
    )


def downgrade() -> None:
    op.drop_table('secret')
