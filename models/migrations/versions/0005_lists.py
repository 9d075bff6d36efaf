"""Lists that people use: an index for each order and each filter; accounts that are removed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

NAME_BACKWARDS = sa.text('reverse(common_name)')
NAMED = ('order', 'certificate', 'line')
INDEXES: tuple[tuple[str, str, list[str | sa.TextClause]], ...] = (
    ('order', 'order_by_status', ['status', 'id']),
    ('order', 'order_by_change', ['updated_at', 'id']),
    ('order', 'order_by_organization', ['organization_id', 'id']),
    ('order', 'order_by_profile', ['profile_id', 'id']),
    ('order', 'order_by_scm_id', ['scm_id']),
    ('order', 'order_by_name', ['common_name', 'id']),
    ('order', 'order_by_name_end', [NAME_BACKWARDS, 'id']),
    ('certificate', 'certificate_by_expiry', ['not_after', 'id']),
    ('certificate', 'certificate_by_status', ['status', 'not_after', 'id']),
    ('certificate', 'certificate_by_organization', ['organization_id', 'not_after', 'id']),
    ('certificate', 'certificate_by_profile', ['profile_id', 'not_after', 'id']),
    ('certificate', 'certificate_by_line', ['line_id']),
    ('certificate', 'certificate_by_name', ['common_name', 'id']),
    ('certificate', 'certificate_by_name_end', [NAME_BACKWARDS, 'id']),
    ('command', 'command_by_time', ['created_at', 'id']),
    ('command', 'command_by_status', ['status', 'created_at', 'id']),
    ('command', 'command_by_type', ['type', 'created_at', 'id']),
    ('command', 'command_by_subject', ['subject', 'created_at', 'id']),
    ('dead_letter', 'dead_letter_by_status', ['status', 'id']),
)
# What these take the place of.
OLD = (
    ('order', 'order_status_updated', ['status', 'updated_at']),
    ('certificate', 'certificate_expiry', ['status', 'not_after']),
    ('dead_letter', 'dead_letter_status', ['status', 'received_at']),
)


def upgrade() -> None:
    """Apply."""
    _account_is(('active', 'suspended', 'removed'))
    op.alter_column('account', 'secret_sealed', nullable=True)
    op.create_check_constraint(op.f('account_removed_without_secret'), 'account', "(status = 'removed') = (secret_sealed IS NULL)")
    op.add_column('organization', sa.Column('api_enabled', sa.Boolean(), nullable=True))
    op.add_column('organization', sa.Column('cert_types', postgresql.ARRAY(sa.Text()), nullable=True))
    for column in ('organization_id', 'profile_id'):
        op.add_column('certificate', sa.Column(column, sa.Integer(), nullable=True))
        op.execute(f'UPDATE certificate SET {column} = o.{column} FROM "order" AS o WHERE o.id = certificate.order_id')
        op.alter_column('certificate', column, nullable=False)
    for table in NAMED:
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN common_name TYPE text COLLATE "C"')
    for table, name, _ in OLD:
        op.drop_index(name, table)
    for table, name, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)


def downgrade() -> None:
    """Take back; refused where an account was removed."""
    for table, name, _ in INDEXES:
        op.drop_index(name, table)
    for table in NAMED:
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN common_name TYPE text COLLATE "default"')
    for table, name, columns in OLD:
        op.create_index(name, table, columns, unique=False)
    for column in ('profile_id', 'organization_id'):
        op.drop_column('certificate', column)
    op.drop_column('organization', 'cert_types')
    op.drop_column('organization', 'api_enabled')
    op.drop_constraint(op.f('account_removed_without_secret'), 'account')
    op.alter_column('account', 'secret_sealed', nullable=False)
    _account_is(('active', 'suspended'))


def _account_is(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('account_accountstatus_known'), 'account')
    known = ', '.join(f"'{state}'" for state in states)
    op.create_check_constraint(op.f('account_accountstatus_known'), 'account', f'status IN ({known})')
