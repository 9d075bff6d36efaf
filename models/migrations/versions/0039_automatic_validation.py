"""Automatic validation of domains: settings, choices and decisions, and the schedule of its run."""

import sqlalchemy as sa
from alembic import op

revision = '0039'
down_revision = '0038'
branch_labels = None
depends_on = None

DECISIONS = ('renewed', 'skipped', 'held', 'refused', 'failed')


def upgrade() -> None:
    """Apply."""
    op.create_table('auto_validation',
    sa.Column('account_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('cap_per_day', sa.Integer(), nullable=True),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('days > 0', name=op.f('auto_validation_days_before')),
    sa.CheckConstraint('cap_per_day > 0', name=op.f('auto_validation_cap_lets_one_pass')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('auto_validation_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', name=op.f('auto_validation_pkey'))
    )
    op.create_table('auto_validation_choice',
    sa.Column('account_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('domain', sa.Text(collation='C'), nullable=False),
    sa.Column('selected', sa.Boolean(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=True),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('auto_validation_choice_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', 'domain', name=op.f('auto_validation_choice_pkey'))
    )
    op.create_table('auto_validation_decision',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('domain', sa.Text(collation='C'), nullable=False),
    sa.Column('expires', sa.Date(), nullable=True),
    sa.Column('planned', sa.Date(), nullable=True),
    sa.Column('decision', sa.Enum(*DECISIONS, name='decision_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('auto_validation_decision_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('auto_validation_decision_pkey'))
    )
    op.create_index('auto_validation_decision_by_time', 'auto_validation_decision', ['decided_at', 'id'])
    op.create_index('auto_validation_decision_by_domain', 'auto_validation_decision', ['domain', 'decided_at'])
    # Each hour: with validations of ten days a lost day is a tenth of their life.
    op.execute("INSERT INTO schedule (name, cron, tz, enabled, next_due) VALUES ('auto-validate', '15 * * * *', 'UTC', true, now())")


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM schedule WHERE name = 'auto-validate'")
    op.drop_table('auto_validation_decision')
    op.drop_table('auto_validation_choice')
    op.drop_table('auto_validation')
