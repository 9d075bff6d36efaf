"""Imports read SCM's report, whose rows are kept until the import ends; a record may have facts from it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; imports that are open go on without a report."""
    op.create_table('import_reported',
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('scm_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('names_key', sa.BigInteger(), nullable=False),
    sa.Column('facts', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.ForeignKeyConstraint(['command_id'], ['command.id'], name=op.f('import_reported_command_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('command_id', 'scm_id', name=op.f('import_reported_pkey'))
    )
    op.create_index('import_reported_names', 'import_reported', ['command_id', 'names_key'])
    op.add_column('import_record', sa.Column('facts', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True))
    op.add_column('import_run', sa.Column('reported', sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column('import_run', sa.Column('report_to', sa.Date(), nullable=True))
    op.add_column('import_run', sa.Column('report_days', sa.Integer(), server_default='0', nullable=False))
    for name in ('reported', 'report_days'):
        op.alter_column('import_run', name, server_default=None)
    op.add_column('heartbeat', sa.Column('threads', sa.Integer(), server_default='0', nullable=False))
    op.alter_column('heartbeat', 'threads', server_default=None)


def downgrade() -> None:
    """Take back; the details of all records are read."""
    op.drop_column('heartbeat', 'threads')
    for name in ('report_days', 'report_to', 'reported'):
        op.drop_column('import_run', name)
    op.drop_column('import_record', 'facts')
    op.drop_table('import_reported')
