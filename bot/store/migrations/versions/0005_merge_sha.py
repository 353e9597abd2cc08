"""the commit of a merge that got a preview of its own"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('pull_request', schema=None) as batch_op:
        batch_op.add_column(sa.Column('merge_sha', sqlmodel.sql.sqltypes.AutoString(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('pull_request', schema=None) as batch_op:
        batch_op.drop_column('merge_sha')
