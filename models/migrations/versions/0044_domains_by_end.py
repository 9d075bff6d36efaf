"""An index of domains by the end of their validation."""

import sqlalchemy as sa
from alembic import op

revision = '0044'
down_revision = '0043'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index('domain_by_end', 'domain', ['validation_expires'],
                    postgresql_where=sa.text('gone_at IS NULL'))


def downgrade() -> None:
    """Take back."""
    op.drop_index('domain_by_end', 'domain')
