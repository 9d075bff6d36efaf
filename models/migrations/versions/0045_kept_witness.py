"""Whether a witness of the database was once kept outside it."""

import sqlalchemy as sa
from alembic import op

revision = '0045'
down_revision = '0044'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the first relay that finds or keeps one notes it."""
    op.add_column('recovery', sa.Column('witness_kept', sa.Boolean(), nullable=False,
                                        server_default=sa.false()))


def downgrade() -> None:
    """Take back."""
    op.drop_column('recovery', 'witness_kept')
