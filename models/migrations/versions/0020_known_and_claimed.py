"""Known and claimed names, in the chain as well; approvals by a second person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

ENTRY = """jsonb_build_array({seq}, {event}.id,
    to_char({event}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), {event}.type,
    {event}.subject, {event}.command_id, {event}.who, {event}.why, {event}.data)"""
CLAIM = "CASE WHEN {event}.claimed IS NULL THEN '[]' ELSE jsonb_build_array({event}.claimed) END"

# The trigger's function of 0007, for a text of the entry. `models/audit/chain.py` counts the hash again.
CHAINED = """
    CREATE OR REPLACE FUNCTION event_is_chained() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        place bigint;
        digest text;
    BEGIN
        UPDATE event_head
           SET seq = event_head.seq + 1,
               hash = encode(sha256(convert_to(event_head.hash || chr(10) || {entry}, 'UTF8')), 'hex')
        RETURNING event_head.seq, event_head.hash INTO STRICT place, digest;
        INSERT INTO event_link (seq, event_id, hash) VALUES (place, NEW.id, digest);
        RETURN NULL;
    END $$
"""


def _text(form: str) -> str:
    """Return the SQL of an entry's text; an element more for a claim leaves those without one as they were."""
    return f"({form.format(seq='event_head.seq + 1', event='NEW')})::text"


def upgrade() -> None:
    """Apply; what was logged before has no claim, and keeps its hash."""
    op.add_column('event', sa.Column('claimed', sa.Text(), nullable=True))
    op.add_column('command', sa.Column('claimed', sa.Text(), nullable=True))
    op.execute(CHAINED.format(entry=_text(f'{ENTRY} || {CLAIM}')))
    op.create_table('approval_rule',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('required', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('above', sa.Integer(), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('approval_rule_one_row')),
    sa.CheckConstraint('above >= 0', name=op.f('approval_rule_above_counts')),
    sa.PrimaryKeyConstraint('id', name=op.f('approval_rule_pkey'))
    )
    op.create_table('approval',
    sa.Column('id', postgresql.UUID(as_uuid=False), nullable=False),
    sa.Column('guard', sa.Text(), nullable=False),
    sa.Column('request', sa.Text(), nullable=False),
    sa.Column('of_command', sa.Boolean(), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('claimed', sa.Text(), nullable=True),
    sa.Column('requested_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('approved', sa.Boolean(), nullable=True),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('(approved IS NULL) = (decided_at IS NULL)', name=op.f('approval_decided_once')),
    sa.PrimaryKeyConstraint('id', name=op.f('approval_pkey'))
    )
    op.create_index('approval_once', 'approval', ['requested_by', 'request'], unique=True,
                    postgresql_where=sa.text('approved IS NULL AND NOT of_command'))
    op.create_index('approval_waiting', 'approval', ['requested_at'], unique=False,
                    postgresql_where=sa.text('approved IS NULL'))


def downgrade() -> None:
    """Take back; entries with a claim no longer match their hashes, and what waits for an approval stays held."""
    op.drop_table('approval')
    op.drop_table('approval_rule')
    op.execute(CHAINED.format(entry=_text(ENTRY)))
    op.drop_column('command', 'claimed')
    op.drop_column('event', 'claimed')
