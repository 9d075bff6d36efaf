"""Orders that an operator gave up stay given up; batches name the kind of the new keys."""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; what operators have given up so far is known from the audit log."""
    op.add_column('order', sa.Column('given_up', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("""UPDATE "order" SET given_up = true WHERE status = 'rejected' AND EXISTS (
        SELECT FROM event WHERE event.subject = "order".id AND event.type = 'order.resolved' AND event.why LIKE 'given up%')""")
    op.create_index('order_by_line', 'order', ['line_id'])
    op.add_column('renewal_batch', sa.Column('key_algorithm', sa.Text(), nullable=True))
    op.add_column('renewal_batch', sa.Column('key_size', sa.Text(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column('renewal_batch', 'key_size')
    op.drop_column('renewal_batch', 'key_algorithm')
    op.drop_index('order_by_line', 'order')
    op.drop_column('order', 'given_up')
