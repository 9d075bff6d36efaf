"""Key pairs for sealing. Stored secrets are bound to their rows by `certline keys rotate`, not here: no key is at hand."""

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('sealing_key',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('private_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('opens_until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('sealing_key_pkey'))
    )


def downgrade() -> None:
    """Take back. Secrets that are bound to their rows cannot be read by an older version."""
    op.drop_table('sealing_key')
