"""Import: what SCM says of each order, and the records that an import has to look at."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

TYPES = ('sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke')
MORE_TYPES = (*TYPES, 'import', 'import_batch')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    op.add_column('order', sa.Column('scm_serial', sa.Text(), nullable=True))
    for name in ('scm_renewed', 'scm_auto_renew'):
        op.add_column('order', sa.Column(name, sa.Boolean(), server_default='false', nullable=False))
        op.alter_column('order', name, server_default=None)
    op.create_index('order_common_name', 'order', ['account_id', 'common_name'], unique=False)
    op.create_table('import_record',
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('scm_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('batch', sa.Integer(), nullable=True),
    sa.Column('status', sa.Enum('waiting', 'known', 'new', 'stored', 'held', 'pending', 'closed', 'updated', 'left', 'failed', name='recordstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('auto_renew', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['command_id'], ['command.id'], name=op.f('import_record_command_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('command_id', 'scm_id', name=op.f('import_record_pkey'))
    )
    op.create_index('import_record_waiting', 'import_record', ['command_id', 'batch'], unique=False, postgresql_where=sa.text("status = 'waiting'"))


def downgrade() -> None:
    """Take back; refused where an import was asked for."""
    op.drop_table('import_record')
    op.drop_index('order_common_name', 'order')
    for name in ('scm_auto_renew', 'scm_renewed', 'scm_serial'):
        op.drop_column('order', name)
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')
