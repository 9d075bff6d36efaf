"""Senders: the other systems that may send commands, and which of them sent a command."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

# What came from other systems: its source is no part of certline.
OUTSIDE = "source NOT IN ('cli', 'certline', 'producer')"
PUBLIC = ('sync', 'order', 'poll', 'renew', 'reissue', 'revoke', 'cancel', 'delete', 'import')


def upgrade() -> None:
    """Apply. An installation that other systems use goes on as before: the sender `legacy` may do everything."""
    op.create_table('sender',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Enum('user', 'work-queues', 'legacy', name='senderkind_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('amqp_user', sa.Text(), nullable=True),
    sa.Column('commands', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('accounts', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('organizations', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('names', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('own_only', sa.Boolean(), nullable=False),
    sa.Column('added_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("(kind = 'user') = (amqp_user IS NOT NULL)", name=op.f('sender_known_by_its_user')),
    sa.PrimaryKeyConstraint('name', name=op.f('sender_pkey')),
    sa.UniqueConstraint('amqp_user', name=op.f('sender_amqp_user_key'))
    )
    op.create_index('sender_one_of_a_kind', 'sender', ['kind'], unique=True, postgresql_where=sa.text("kind <> 'user'"))
    op.add_column('command', sa.Column('sender', sa.Text(), nullable=True))
    op.add_column('outbox', sa.Column('senders', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    op.execute(f"UPDATE command SET sender = 'legacy' WHERE {OUTSIDE}")
    commands = ', '.join(f"'{name}'" for name in PUBLIC)
    op.execute(
        f"""INSERT INTO sender (name, kind, commands, accounts, organizations, names, own_only, added_by)
            SELECT 'legacy', 'legacy', ARRAY[{commands}], '{{}}', '{{}}', '{{}}', false, 'certline:migration'
            WHERE EXISTS (SELECT FROM command WHERE {OUTSIDE})
               OR EXISTS (SELECT FROM dead_letter WHERE source = 'certline.commands')"""
    )


def downgrade() -> None:
    """Take back; every system may then send every command again."""
    op.drop_column('outbox', 'senders')
    op.drop_column('command', 'sender')
    op.drop_table('sender')
