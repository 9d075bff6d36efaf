"""The key of the witness outside the database, and which data were compared with it last."""

import sqlalchemy as sa
from alembic import op

revision = '0042'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the first relay makes the key. Nothing was compared yet, which stops nothing."""
    op.add_column('recovery', sa.Column('witness_key', sa.LargeBinary(), nullable=True))
    op.add_column('recovery', sa.Column('compared_start', sa.DateTime(timezone=True), nullable=True))
    op.add_column('recovery', sa.Column('compared_table', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take back; a relay makes the witness anew after the next upgrade."""
    op.drop_column('recovery', 'compared_table')
    op.drop_column('recovery', 'compared_start')
    op.drop_column('recovery', 'witness_key')
