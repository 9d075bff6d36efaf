"""The licence may have an end date, of which certline warns."""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the licence of an older version has no end."""
    op.add_column('license', sa.Column('valid_until', sa.Date(), nullable=True))
    op.add_column('license', sa.Column('expiring_told', sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back; the end date is lost."""
    op.drop_column('license', 'expiring_told')
    op.drop_column('license', 'valid_until')
