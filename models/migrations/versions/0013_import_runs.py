"""Imports: the state of each is a row of its own, no longer JSON in its command."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

STATUSES = ('waiting', 'known', 'new', 'stored', 'held', 'pending', 'closed', 'updated', 'left', 'failed')
NEWS = ('new', 'replaced', 'renewed', 'revoked', 'auto_renew')
PLAIN = {'account': 'text', 'first': 'boolean', 'listing': 'boolean', 'look': 'integer', 'position': 'integer', 'total': 'bigint', 'listed': 'integer', 'batches': 'integer'}

MISSING = {'text': "''", 'boolean': 'false', 'integer': '0', 'bigint': 'NULL'}


def upgrade() -> None:
    """Apply; imports that are open, or were stopped and can be tried again, go on where they are."""
    op.create_table('import_run',
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('account', sa.Text(), nullable=False),
    sa.Column('first', sa.Boolean(), nullable=False),
    sa.Column('listing', sa.Boolean(), nullable=False),
    sa.Column('look', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=True),
    sa.Column('listed', sa.Integer(), nullable=False),
    sa.Column('batches', sa.Integer(), nullable=False),
    *(sa.Column(status, sa.Integer(), nullable=False) for status in STATUSES),
    *(sa.Column(f'news_{kind}', sa.Integer(), nullable=False) for kind in NEWS),
    sa.Column('failures', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['command_id'], ['command.id'], name=op.f('import_run_command_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('command_id', name=op.f('import_run_pkey'))
    )
    # "left" is a reserved word, hence all names are quoted.
    # A result of an older version may lack a key; one such row must not stop the whole upgrade. `total` may be null.
    columns = {f'"{name}"': f"COALESCE((result->>'{name}')::{kind}, {MISSING[kind]})" for name, kind in PLAIN.items()}
    columns |= {f'"{status}"': f"COALESCE((result->>'{status}')::integer, 0)" for status in STATUSES}
    columns |= {f'"news_{kind}"': f"COALESCE((result->'news'->>'{kind}')::integer, 0)" for kind in NEWS}
    columns |= {'"failures"': "COALESCE(result->'failures', '[]')"}
    # Only the result of an import that has not ended has `listing`; that of a dry run has not.
    going = "type = 'import' AND result ? 'listing'"
    op.execute(f"INSERT INTO import_run (command_id, {', '.join(columns)}) SELECT id, {', '.join(columns.values())} FROM command WHERE {going}")
    op.execute(f"UPDATE command SET result = NULL WHERE {going}")


def downgrade() -> None:
    """Take back; the state of imports that have not ended returns to their commands."""
    plain = _object({name: f'"{name}"' for name in (*PLAIN, *STATUSES)})
    news = _object({kind: f'"news_{kind}"' for kind in NEWS})
    state = f"{plain} || jsonb_build_object('news', {news}, 'failures', failures)"
    # Those that have ended have their result already.
    op.execute(f"UPDATE command SET result = {state} FROM import_run WHERE import_run.command_id = command.id AND command.result IS NULL")
    op.drop_table('import_run')


def _object(fields: dict[str, str]) -> str:
    pairs = ', '.join(f"'{key}', import_run.{column}" for key, column in fields.items())
    return f'jsonb_build_object({pairs})'
