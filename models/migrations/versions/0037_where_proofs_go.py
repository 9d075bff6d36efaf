"""Providers to which the proofs of domains go, and the command that tries one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0037'
down_revision = '0036'
branch_labels = None
depends_on = None

TYPES = (
    'sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke', 'import', 'import_batch', 'cancel',
    'delete', 'hook', 'webhook', 'notify',
)
MORE_TYPES = (*TYPES, 'dns_test')
KINDS = ('rfc2136', 'lexicon', 'command', 'folder', 'manual')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    op.create_table('dns_provider',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Enum(*KINDS, name='providerkind_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('zones', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('settings_json', sa.Text(), nullable=False),
    sa.Column('credentials_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('cardinality(zones) > 0', name=op.f('dns_provider_zones_given')),
    sa.PrimaryKeyConstraint('id', name=op.f('dns_provider_pkey')),
    sa.UniqueConstraint('name', name=op.f('dns_provider_name_key'))
    )


def downgrade() -> None:
    """Take back; refused where a provider was tried."""
    op.drop_table('dns_provider')
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')
