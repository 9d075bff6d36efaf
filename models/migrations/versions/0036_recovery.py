"""The identity of the database, the recovery after a restore, and what it has found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None

PHASES = ('settled', 'noticed', 'waiting', 'comparing', 'fetching')


def upgrade() -> None:
    """Apply; the first part that connects stores the identity."""
    phase = sa.Enum(*PHASES, name='recoveryphase_known', native_enum=False, create_constraint=True, length=16)
    op.create_table('recovery',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('cluster', sa.Text(), nullable=True),
    sa.Column('timeline', sa.Integer(), nullable=True),
    sa.Column('database', sa.BigInteger(), nullable=True),
    sa.Column('phase', phase, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('why', sa.Text(), nullable=True),
    sa.Column('noticed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('known_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('compares_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('result', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.CheckConstraint('id = 1', name=op.f('recovery_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('recovery_pkey'))
    )
    op.execute("INSERT INTO recovery (id, phase, number) VALUES (1, 'settled', 0)")
    op.add_column('order', sa.Column('recovered_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('certificate', sa.Column('key_lost', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index('order_recovered', 'order', ['recovered_at'],
                    postgresql_where=sa.text('recovered_at IS NOT NULL'))
    op.create_index('certificate_key_lost', 'certificate', ['id'], postgresql_where=sa.text('key_lost'))


def downgrade() -> None:
    """Take back; which keys were lost is forgotten."""
    op.drop_index('certificate_key_lost', 'certificate')
    op.drop_index('order_recovered', 'order')
    op.drop_column('certificate', 'key_lost')
    op.drop_column('order', 'recovered_at')
    op.drop_table('recovery')
