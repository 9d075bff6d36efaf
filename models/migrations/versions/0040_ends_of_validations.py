"""What was told of the ends of domains' validations."""

import sqlalchemy as sa
from alembic import op

revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('domain_validation_told',
    sa.Column('account_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('domain', sa.Text(collation='C'), nullable=False),
    sa.Column('last_day', sa.Date(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('domain_validation_told_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', 'domain', name=op.f('domain_validation_told_pkey'))
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table('domain_validation_told')
