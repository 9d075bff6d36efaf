"""Samples of figures by name, the patrol of the audit log, and the kind of reason of a decision."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None

CODES = (
    'due', 'under_way', 'cap', 'deleted', 'suspended', 'replaced', 'scm_auto_renew', 'renewed_outside',
    'failed_before', 'waits_for_person', 'gone_at_scm', 'not_orderable', 'validation_ended', 'unknown',
)


def upgrade() -> None:
    """Apply; figures are counted anew at the next scrape."""
    op.drop_table('metric_sample')
    op.create_table('metric_sample',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('figures', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('seconds', sa.Float(), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('metric_sample_pkey'))
    )
    op.create_table('event_patrol',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('lane', sa.Integer(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.Column('broken', sa.Text(), nullable=True),
    sa.Column('clean', sa.Boolean(), nullable=False),
    sa.Column('rounds', sa.Integer(), nullable=False),
    sa.Column('checked_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('event_patrol_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('event_patrol_pkey'))
    )
    op.execute("INSERT INTO event_patrol (id, lane, seq, hash, clean, rounds) "
               "VALUES (1, 0, 0, repeat('0', 64), true, 0)")
    code = sa.Enum(*CODES, name='decisioncode_known', native_enum=False, create_constraint=True, length=16)
    op.add_column('auto_renew_decision', sa.Column('code', code, server_default='unknown', nullable=False))
    op.alter_column('auto_renew_decision', 'code', server_default=None)


def downgrade() -> None:
    """Take back; the figures are counted anew at the next scrape."""
    op.drop_column('auto_renew_decision', 'code')
    op.drop_table('event_patrol')
    op.drop_table('metric_sample')
    op.create_table('metric_sample',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('figures', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('metric_sample_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('metric_sample_pkey'))
    )
