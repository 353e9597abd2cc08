"""what the router saw"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('traffic',
    sa.Column('deployment', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('requests', sa.BigInteger(), nullable=False),
    sa.Column('failures', sa.BigInteger(), nullable=False),
    sa.Column('bytes_out', sa.BigInteger(), nullable=False),
    sa.Column('latency', sa.JSON(), nullable=False),
    sa.Column('marks', sa.JSON(), nullable=False),
    sa.Column('updated_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('deployment', name=op.f('pk_traffic'))
    )


def downgrade() -> None:
    op.drop_table('traffic')
