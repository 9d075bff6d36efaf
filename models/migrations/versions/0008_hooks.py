"""Deploy hooks: a table of them, and one more type of commands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

TYPES = (
    'sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke', 'import', 'import_batch', 'cancel', 'delete',
)
MORE_TYPES = (*TYPES, 'hook')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    op.create_table(
        'hook',
        sa.Column('id', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('events', postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column('command', sa.Text(), nullable=True),
        sa.Column('directory', sa.Text(), nullable=True),
        sa.Column('timeout', sa.Integer(), nullable=False),
        sa.Column('common_name', sa.Text(), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=True),
        sa.Column('created_by', sa.Text(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.CheckConstraint('cardinality(events) > 0', name=op.f('hook_waits_for_something')),
        sa.CheckConstraint('command IS NOT NULL OR directory IS NOT NULL', name=op.f('hook_does_something')),
        sa.CheckConstraint('timeout BETWEEN 1 AND 600', name=op.f('hook_ends_in_time')),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('hook_account_id_fkey'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('hook_pkey')),
        sa.UniqueConstraint('name', name=op.f('hook_name_key')),
    )


def downgrade() -> None:
    """Take back; refused where a hook has run."""
    _allow(TYPES)
    op.drop_table('hook')


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')
