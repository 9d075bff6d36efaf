"""Heartbeats tell how many calls to SCM ended since the last one; an index of deploy hooks that have failed."""

import sqlalchemy as sa
from alembic import op

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; until its first heartbeat, a process that runs has made no calls."""
    for name, kind in (('scm_calls', sa.BigInteger()), ('scm_errors', sa.BigInteger()), ('scm_seconds', sa.Float())):
        op.add_column('heartbeat', sa.Column(name, kind, server_default='0', nullable=False))
        op.alter_column('heartbeat', name, server_default=None)
    op.create_index('command_hook_failed', 'command', ['created_at'],
                    postgresql_where=sa.text("type = 'hook' AND status <> 'done' AND error IS NOT NULL"))


def downgrade() -> None:
    """Take back."""
    op.drop_index('command_hook_failed', 'command')
    for name in ('scm_seconds', 'scm_errors', 'scm_calls'):
        op.drop_column('heartbeat', name)
