"""what scanners said of the heads of pull requests"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('scan',
    sa.Column('project_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sha', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('base', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('asked_at', sa.Float(), nullable=False),
    sa.Column('ended_at', sa.Float(), nullable=True),
    sa.Column('report', sa.JSON(), nullable=True),
    sa.Column('secrets', sa.JSON(), nullable=True),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('sbom', sa.LargeBinary(), nullable=True),
    sa.Column('run', sa.Integer(), nullable=False),
    sa.Column('check_id', sa.BigInteger(), nullable=True),
    sa.Column('told', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.PrimaryKeyConstraint('project_id', 'number', 'sha', name=op.f('pk_scan'))
    )


def downgrade() -> None:
    op.drop_table('scan')
