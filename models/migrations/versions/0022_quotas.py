"""Senders of dead letters, counts of redeliveries, and what the quotas and the retention look up."""

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the sender of an earlier letter is the RabbitMQ user that its properties name."""
    op.create_table('redelivery',
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('redelivery_pkey'))
    )
    op.create_index('redelivery_by_time', 'redelivery', ['seen_at'])
    op.add_column('dead_letter', sa.Column('sender', sa.Text(), server_default='', nullable=False))
    op.execute("""UPDATE dead_letter SET sender = properties ->> 'user_id' WHERE properties ->> 'user_id' IS NOT NULL""")
    op.create_index('dead_letter_waiting', 'dead_letter', ['source', 'sender'], postgresql_where=sa.text("status = 'waiting'"))
    op.create_index('command_open_of_sender', 'command', ['requested_by'], postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.create_index('command_ended', 'command', ['finished_at'], postgresql_where=sa.text('finished_at IS NOT NULL'))
    op.create_index('outbox_parked', 'outbox', ['parked_at'], postgresql_where=sa.text('parked_at IS NOT NULL'))


def downgrade() -> None:
    """Take back."""
    op.drop_index('outbox_parked', 'outbox')
    op.drop_index('command_ended', 'command')
    op.drop_index('command_open_of_sender', 'command')
    op.drop_index('dead_letter_waiting', 'dead_letter')
    op.drop_column('dead_letter', 'sender')
    op.drop_index('redelivery_by_time', 'redelivery')
    op.drop_table('redelivery')
