"""Cancel and delete: two more types of commands."""

from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

TYPES = ('sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke', 'import', 'import_batch')
MORE_TYPES = (*TYPES, 'cancel', 'delete')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)


def downgrade() -> None:
    """Take back; refused where something was cancelled or deleted."""
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')
