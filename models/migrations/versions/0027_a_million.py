"""Kept counts for the metrics, the place of an auto-renewal run, and indexes of what has a secret."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None

PASSWORD = sa.text('keystore_password_sealed IS NOT NULL')


def upgrade() -> None:
    """Apply. A run of auto-renewal that is open begins again; it decides nothing twice."""
    op.create_table('metric_sample',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('figures', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('metric_sample_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('metric_sample_pkey'))
    )
    op.add_column('auto_renew_run', sa.Column('position', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    # A plan of all renewals then updates a million certificates without touching their indexes.
    op.drop_index('certificate_auto_renewed', 'certificate')
    op.execute('ALTER TABLE certificate SET (fillfactor = 85)')
    # Few rows have a password, so the indexes cost nothing where there is none.
    op.create_index('order_with_password', 'order', ['id'], postgresql_where=PASSWORD)
    op.create_index('certificate_with_password', 'certificate', ['id'], postgresql_where=PASSWORD)
    op.create_index('command_with_password', 'command', ['id'],
                    postgresql_where=sa.text("(payload ->> 'keystore_password_sealed') IS NOT NULL"))


def downgrade() -> None:
    """Take back."""
    op.drop_index('command_with_password', 'command')
    op.execute('ALTER TABLE certificate RESET (fillfactor)')
    op.create_index('certificate_auto_renewed', 'certificate', ['account_id'], postgresql_where=sa.text('auto_renew'))
    op.drop_index('certificate_with_password', 'certificate')
    op.drop_index('order_with_password', 'order')
    op.drop_column('auto_renew_run', 'position')
    op.drop_table('metric_sample')
