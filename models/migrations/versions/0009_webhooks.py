"""Webhooks: who they are, and deliveries as commands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

TYPES = (
    'sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke', 'import', 'import_batch', 'cancel',
    'delete', 'hook',
)
MORE_TYPES = (*TYPES, 'webhook')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    op.create_table('webhook',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('events', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('secret_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('allow_private', sa.Boolean(), nullable=False),
    sa.Column('status', sa.Enum('active', 'disabled', name='webhookstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('status_reason', sa.Text(), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('resting_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('webhook_pkey')),
    sa.UniqueConstraint('url', name=op.f('webhook_url_key'))
    )
    op.create_index('command_delivered', 'command', ['finished_at'], unique=False, postgresql_where=sa.text("type = 'webhook' AND status = 'done'"))


def downgrade() -> None:
    """Take back; refused where an event was delivered."""
    op.drop_index('command_delivered', 'command', postgresql_where=sa.text("type = 'webhook' AND status = 'done'"))
    op.drop_table('webhook')
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')
