"""Whatever breaks: reconciling, the shared limits towards SCM, dead letters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

TYPES = ('sync', 'order', 'poll', 'fetch')
MORE_TYPES = (*TYPES, 'reconcile', 'renew', 'reissue', 'revoke')
STEPS = "type IN ('poll', 'fetch') AND status IN ('queued', 'running')"
MORE_STEPS = "type IN ('poll', 'fetch', 'reconcile') AND status IN ('queued', 'running')"


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    _one_open(MORE_STEPS)
    op.add_column('order', sa.Column('predecessor_id', sa.Text(), nullable=True))
    op.create_foreign_key(op.f('order_predecessor_id_fkey'), 'order', 'certificate', ['predecessor_id'], ['id'])
    op.add_column('order', sa.Column('reason', sa.Text(), nullable=True))
    op.add_column('order', sa.Column('looks', sa.Integer(), server_default='0', nullable=False))
    op.add_column('order', sa.Column('found', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    for name in ('looks', 'found'):
        op.alter_column('order', name, server_default=None)
    op.create_check_constraint(op.f('order_successor_knows_its_predecessor'), 'order', "kind NOT IN ('renewal', 'reissue') OR predecessor_id IS NOT NULL")
    op.add_column('certificate', sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('certificate', sa.Column('revocation_reason', sa.Text(), nullable=True))
    op.execute("UPDATE certificate SET revoked_at = now() WHERE status = 'revoked'")
    op.create_check_constraint(op.f('certificate_revoked_at_some_time'), 'certificate', "(status = 'revoked') = (revoked_at IS NOT NULL)")
    op.create_table('pace',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Enum('read', 'order', name='callkind_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('held_until', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('pace_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', 'kind', name=op.f('pace_pkey'))
    )
    op.create_table('breaker',
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('open_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('probing_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.CheckConstraint('failures >= 0', name=op.f('breaker_failures_count_up')),
    sa.PrimaryKeyConstraint('url', name=op.f('breaker_pkey'))
    )
    op.create_table('dead_letter',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('properties', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('body_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('message_id', sa.Text(), nullable=False),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('status', sa.Enum('waiting', 'replayed', 'dropped', name='deadletterstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('decision', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'waiting') = (decided_at IS NULL)", name=op.f('dead_letter_decided_once')),
    sa.PrimaryKeyConstraint('id', name=op.f('dead_letter_pkey'))
    )
    op.create_index('dead_letter_status', 'dead_letter', ['status', 'received_at'], unique=False)
    op.create_index('dead_letter_once', 'dead_letter', ['source', 'sha256', 'message_id'], unique=True, postgresql_where=sa.text("status = 'waiting'"))
    op.create_index('outbox_correlation', 'outbox', [sa.literal_column("(body ->> 'correlationid')")], unique=False, postgresql_where=sa.text("exchange = 'certline.events'"))


def downgrade() -> None:
    """Take back; refused where a command of a later type exists."""
    op.drop_index('outbox_correlation', 'outbox', postgresql_where=sa.text("exchange = 'certline.events'"))
    op.drop_table('dead_letter')
    op.drop_table('breaker')
    op.drop_table('pace')
    op.drop_constraint(op.f('certificate_revoked_at_some_time'), 'certificate')
    for name in ('revocation_reason', 'revoked_at'):
        op.drop_column('certificate', name)
    op.drop_constraint(op.f('order_successor_knows_its_predecessor'), 'order')
    for name in ('found', 'looks', 'reason', 'predecessor_id'):
        op.drop_column('order', name)
    _one_open(STEPS)
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')


def _one_open(steps: str) -> None:
    op.drop_index('command_open_step', 'command')
    op.create_index('command_open_step', 'command', ['type', 'subject'], unique=True, postgresql_where=sa.text(steps))
