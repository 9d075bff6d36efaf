"""Known and claimed: beside who did something, the name that was only claimed, in the chain as well."""

import sqlalchemy as sa
from alembic import op

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


def downgrade() -> None:
    """Take back; entries with a claim no longer match their hashes."""
    op.execute(CHAINED.format(entry=_text(ENTRY)))
    op.drop_column('command', 'claimed')
    op.drop_column('event', 'claimed')
