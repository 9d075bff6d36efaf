"""Validations of domains, and the command that does one."""

import sqlalchemy as sa
from alembic import op

revision = '0038'
down_revision = '0037'
branch_labels = None
depends_on = None

TYPES = (
    'sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke', 'import', 'import_batch', 'cancel',
    'delete', 'hook', 'webhook', 'notify', 'dns_test',
)
MORE_TYPES = (*TYPES, 'validate')
METHODS = ('cname', 'txt', 'http', 'https', 'email')
STAGES = ('start', 'publish', 'look', 'submit', 'poll', 'withdraw', 'ended')
OUTCOMES = ('validated', 'not_needed', 'failed')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    op.create_table('domain_validation',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('domain', sa.Text(collation='C'), nullable=False),
    sa.Column('method', sa.Enum(*METHODS, name='validationmethod_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('dns', sa.Text(), nullable=True),
    sa.Column('email', sa.Text(), nullable=True),
    sa.Column('stage', sa.Enum(*STAGES, name='validationstage_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('stage_since', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.Enum(*OUTCOMES, name='validationoutcome_known', native_enum=False, create_constraint=True, length=16), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('proof_name', sa.Text(), nullable=True),
    sa.Column('proof_value', sa.Text(), nullable=True),
    sa.Column('proof_at', sa.Text(), nullable=True),
    sa.Column('said', sa.Text(), nullable=True),
    sa.Column('before', sa.Date(), nullable=True),
    sa.Column('expires', sa.Date(), nullable=True),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('begun_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('domain_validation_account_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('domain_validation_pkey'))
    )
    op.create_index('domain_validation_open', 'domain_validation', ['account_id', 'domain'], unique=True, postgresql_where=sa.text("stage <> 'ended'"))
    op.create_index('domain_validation_by_domain', 'domain_validation', ['domain', 'begun_at'])
    op.create_index('domain_validation_by_command', 'domain_validation', ['command_id'])


def downgrade() -> None:
    """Take back; refused where a domain was validated."""
    op.drop_table('domain_validation')
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')
