"""An index of active certificates by the threshold published last, for `certificate.expiring`."""

import sqlalchemy as sa
from alembic import op

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index('certificate_to_tell', 'certificate', [sa.text('coalesce(expiring_told, 1000)'), 'not_after'],
                    unique=False, postgresql_where=sa.text("status = 'active'"))


def downgrade() -> None:
    """Take back."""
    op.drop_index('certificate_to_tell', table_name='certificate', postgresql_where=sa.text("status = 'active'"))
