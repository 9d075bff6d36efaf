"""Each command has the trace that it belongs to."""

import sqlalchemy as sa
from alembic import op

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the commands that are there have none."""
    op.add_column('command', sa.Column('traceparent', sa.Text(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column('command', 'traceparent')
