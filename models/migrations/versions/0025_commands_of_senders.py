"""An index that tells whether any sender has sent a command: otherwise the relay need not ask whom events concern."""

import sqlalchemy as sa
from alembic import op

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index('command_sent', 'command', ['sender'], postgresql_where=sa.text("sender <> 'legacy'"))


def downgrade() -> None:
    """Undo."""
    op.drop_index('command_sent', 'command')
