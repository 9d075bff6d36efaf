"""Indexes for a search by a further name of a certificate, and for the batch that led to an order."""

import sqlalchemy as sa
from alembic import op

revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index('certificate_by_any_name', 'certificate', ['sans'], postgresql_using='gin')
    op.create_index('renewal_member_by_command', 'renewal_member', ['command_id'],
                    postgresql_where=sa.text('command_id IS NOT NULL'))


def downgrade() -> None:
    """Take back."""
    op.drop_index('renewal_member_by_command', 'renewal_member')
    op.drop_index('certificate_by_any_name', 'certificate')
