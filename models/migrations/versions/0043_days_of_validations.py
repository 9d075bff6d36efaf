"""Domains have the day on which they were validated, where SCM says it."""

import sqlalchemy as sa
from alembic import op

revision = '0043'
down_revision = '0042'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column('domain', sa.Column('validated_on', sa.Date()))


def downgrade() -> None:
    """Take back."""
    op.drop_column('domain', 'validated_on')
