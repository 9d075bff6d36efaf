"""Notices: their routes, what each is to be told, the command that sends them, and the schedule of the digest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None

TYPES = (
    'sync', 'order', 'poll', 'fetch', 'reconcile', 'renew', 'reissue', 'revoke', 'import', 'import_batch', 'cancel',
    'delete', 'hook', 'webhook',
)
MORE_TYPES = (*TYPES, 'notify')
ONE_AT_A_TIME = "'poll', 'fetch', 'reconcile'"
SEVERITIES = ('info', 'warning', 'critical')


def upgrade() -> None:
    """Apply."""
    _allow(MORE_TYPES)
    _once(f"{ONE_AT_A_TIME}, 'notify'")
    op.create_table('notice_route',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('service', sa.Text(), nullable=False),
    sa.Column('scheme', sa.Text(), nullable=False),
    sa.Column('url_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('kinds', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('severity', sa.Enum(*SEVERITIES, name='severity_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('digest', sa.Boolean(), nullable=False),
    sa.Column('at_most', sa.Integer(), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sending_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('(failures > 0) = (failing_since IS NOT NULL)', name=op.f('notice_route_failing_since_then')),
    sa.CheckConstraint('at_most IS NULL OR at_most > 0', name=op.f('notice_route_at_most_counts')),
    sa.PrimaryKeyConstraint('id', name=op.f('notice_route_pkey')),
    sa.UniqueConstraint('name', name=op.f('notice_route_name_key'))
    )
    op.create_table('notice',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('route_id', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('severity', sa.Enum(*SEVERITIES, name='severity_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('happened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('waits_from', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('message_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('parked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['route_id'], ['notice_route.id'], name=op.f('notice_route_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('notice_pkey'))
    )
    op.create_index('notice_once', 'notice', ['route_id', 'key'], unique=True)
    op.create_index('notice_unsent', 'notice', ['route_id', 'id'], postgresql_where=sa.text('sent_at IS NULL AND parked_at IS NULL'))
    op.create_index('notice_parked', 'notice', ['parked_at'], postgresql_where=sa.text('parked_at IS NOT NULL'))
    op.create_index('notice_sent', 'notice', ['sent_at'], postgresql_where=sa.text('sent_at IS NOT NULL'))
    op.execute("INSERT INTO schedule (name, cron, tz, enabled, next_due) VALUES ('digest', '0 6 * * *', 'UTC', true, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 day 6 hours')")


def downgrade() -> None:
    """Take back; refused where a notice was sent."""
    op.execute("DELETE FROM schedule WHERE name = 'digest'")
    op.drop_table('notice')
    op.drop_table('notice_route')
    _once(ONE_AT_A_TIME)
    _allow(TYPES)


def _allow(types: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('command_commandtype_known'), 'command')
    known = ', '.join(f"'{kind}'" for kind in types)
    op.create_check_constraint(op.f('command_commandtype_known'), 'command', f'type IN ({known})')


def _once(types: str) -> None:
    op.drop_index('command_open_step', 'command')
    op.create_index('command_open_step', 'command', ['type', 'subject'], unique=True, postgresql_where=sa.text(f"type IN ({types}) AND status IN ('queued', 'running')"))
