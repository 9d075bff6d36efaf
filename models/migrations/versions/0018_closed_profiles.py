"""Closed profiles: the organisations to which SCM does not offer a profile."""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; until the next sync every profile counts as open to all."""
    kind = sa.ARRAY(sa.Integer())
    op.add_column('profile', sa.Column('closed_to', kind, nullable=False, server_default='{}'))


def downgrade() -> None:
    """Take back."""
    op.drop_column('profile', 'closed_to')
