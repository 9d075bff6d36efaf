"""Parts and secret keys: a heartbeat for each running process, and a row for each secret key in use."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('secret_key',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('proof', sa.LargeBinary(), nullable=False),
    sa.Column('first_used_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('secret_key_pkey'))
    )
    op.create_table('heartbeat',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('part', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('queues', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('keys', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('every', sa.Float(), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('heartbeat_pkey'))
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table('heartbeat')
    op.drop_table('secret_key')
