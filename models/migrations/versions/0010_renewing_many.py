"""Renewing many: batches with their members, and what a line's failed renewals mean for the next."""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('line_backoff',
    sa.Column('line_id', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('next_try_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('waits_for_person', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('failed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('failures > 0', name=op.f('line_backoff_counts_failures')),
    sa.CheckConstraint('waits_for_person = (next_try_at IS NULL)', name=op.f('line_backoff_waits_for_a_time_or_a_person')),
    sa.ForeignKeyConstraint(['line_id'], ['line.id'], name=op.f('line_backoff_line_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('line_id', name=op.f('line_backoff_pkey'))
    )
    op.create_table('renewal_batch',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('running', 'paused', 'done', name='batchstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('selection', sa.Text(), nullable=False),
    sa.Column('per_hour', sa.Integer(), nullable=True),
    sa.Column('reuse_key', sa.Boolean(), nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('per_hour > 0', name=op.f('renewal_batch_pace_goes_forwards')),
    sa.PrimaryKeyConstraint('id', name=op.f('renewal_batch_pkey'))
    )
    op.create_table('renewal_member',
    sa.Column('batch_id', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('certificate_id', sa.Text(), nullable=False),
    sa.Column('line_id', sa.Text(), nullable=False),
    sa.Column('common_name', sa.Text(collation='C'), nullable=False),
    sa.Column('status', sa.Enum('waiting', 'released', 'refused', name='memberstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('released_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'released') = (command_id IS NOT NULL)", name=op.f('renewal_member_released_with_its_command')),
    sa.CheckConstraint("(status = 'refused') = (reason IS NOT NULL)", name=op.f('renewal_member_refused_with_a_reason')),
    sa.ForeignKeyConstraint(['batch_id'], ['renewal_batch.id'], name=op.f('renewal_member_batch_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['command_id'], ['command.id'], name=op.f('renewal_member_command_id_fkey')),
    sa.PrimaryKeyConstraint('batch_id', 'position', name=op.f('renewal_member_pkey')),
    sa.UniqueConstraint('batch_id', 'certificate_id', name=op.f('renewal_member_batch_id_certificate_id_key'))
    )
    op.create_index('renewal_member_waiting', 'renewal_member', ['batch_id', 'position'], unique=False, postgresql_where=sa.text("status = 'waiting'"))


def downgrade() -> None:
    """Take back."""
    op.drop_index('renewal_member_waiting', 'renewal_member')
    op.drop_table('renewal_member')
    op.drop_table('renewal_batch')
    op.drop_table('line_backoff')
