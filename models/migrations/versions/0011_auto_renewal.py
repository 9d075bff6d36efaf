"""Auto-renewal: settings, rules, choices, its runs and what they decided; what was told of an end."""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

DECISIONS = ('renewed', 'skipped', 'held', 'refused', 'failed')


def upgrade() -> None:
    """Apply."""
    op.create_table('auto_renew_setting',
    sa.Column('account_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('cap_per_day', sa.Integer(), nullable=True),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('days > 0', name=op.f('auto_renew_setting_days_before')),
    sa.CheckConstraint('cap_per_day > 0', name=op.f('auto_renew_setting_cap_lets_one_pass')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('auto_renew_setting_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', name=op.f('auto_renew_setting_pkey'))
    )
    op.create_table('auto_renew_rule',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('organization_id', sa.Integer(), nullable=True),
    sa.Column('profile_id', sa.Integer(), nullable=True),
    sa.Column('name', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('auto_renew_rule_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('auto_renew_rule_pkey'))
    )
    op.create_table('auto_renew_choice',
    sa.Column('line_id', sa.Text(), nullable=False),
    sa.Column('selected', sa.Boolean(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=True),
    sa.Column('chosen_by', sa.Text(), nullable=False),
    sa.Column('chosen_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('days > 0', name=op.f('auto_renew_choice_days_before')),
    sa.ForeignKeyConstraint(['line_id'], ['line.id'], name=op.f('auto_renew_choice_line_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('line_id', name=op.f('auto_renew_choice_pkey'))
    )
    op.create_table('auto_renew_run',
    sa.Column('id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('looked_at', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('auto_renew_run_pkey'))
    )
    op.create_index('auto_renew_run_open', 'auto_renew_run', [sa.text('(true)')], unique=True, postgresql_where=sa.text('ended_at IS NULL'))
    op.create_index('auto_renew_run_by_time', 'auto_renew_run', ['started_at'], unique=False)
    op.create_table('auto_renew_decision',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('run_id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('certificate_id', sa.Text(), nullable=False),
    sa.Column('common_name', sa.Text(collation='C'), nullable=False),
    sa.Column('not_after', sa.DateTime(timezone=True), nullable=False),
    sa.Column('planned', sa.Date(), nullable=True),
    sa.Column('decision', sa.Enum(*DECISIONS, name='decision_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('selected_by', sa.Text(), nullable=False),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['auto_renew_run.id'], name=op.f('auto_renew_decision_run_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('auto_renew_decision_pkey'))
    )
    op.create_index('auto_renew_decision_once', 'auto_renew_decision', ['run_id', 'certificate_id'], unique=True)
    op.create_index('auto_renew_decision_by_certificate', 'auto_renew_decision', ['certificate_id', 'id'], unique=False)
    op.create_index('auto_renew_decision_by_time', 'auto_renew_decision', ['decided_at'], unique=False)
    op.add_column('certificate', sa.Column('expiring_told', sa.Integer(), nullable=True))
    op.create_index('certificate_auto_renewed', 'certificate', ['account_id'], unique=False, postgresql_where=sa.text('auto_renew'))
    # next_due now: the first run says at once that nothing is switched on.
    op.execute("INSERT INTO schedule (name, cron, tz, enabled, next_due) VALUES ('auto-renew', '30 5 * * *', 'UTC', true, now())")


def downgrade() -> None:
    """Take back; what was decided is forgotten."""
    op.execute("DELETE FROM schedule WHERE name = 'auto-renew'")
    op.drop_index('certificate_auto_renewed', 'certificate')
    op.drop_column('certificate', 'expiring_told')
    for table in ('auto_renew_decision', 'auto_renew_run', 'auto_renew_choice', 'auto_renew_rule', 'auto_renew_setting'):
        op.drop_table(table)
