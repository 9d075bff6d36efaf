"""The audit log is chained in lanes: a commit takes the first lane that no other commit holds."""

import sqlalchemy as sa
from alembic import op

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

# As many commits with entries can go on at once.
LANES = 64

ENTRY = """(jsonb_build_array({seq}, {event}.id,
    to_char({event}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), {event}.type,
    {event}.subject, {event}.command_id, {event}.who, {event}.why, {event}.data)
    || CASE WHEN {event}.claimed IS NULL THEN '[]' ELSE jsonb_build_array({event}.claimed) END)::text"""
HASH = "encode(sha256(convert_to({before} || chr(10) || {entry}, 'UTF8')), 'hex')"
# All of a transaction's entries go to one lane, so that it waits for one lock at most, and that as its last action.
# It remembers its lane in a setting; one that somebody else sets leads to that lane, or to an error.
LANED = """
    DECLARE
        own integer := nullif(current_setting('certline.audit_lane', true), '')::integer;
        place bigint;
        digest text;
    BEGIN
        IF own IS NULL THEN
            SELECT lane INTO own FROM event_head ORDER BY lane LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF NOT FOUND THEN
                own := pg_backend_pid() % {lanes};
            END IF;
            PERFORM set_config('certline.audit_lane', own::text, true);
        END IF;
        UPDATE event_head SET seq = event_head.seq + 1, hash = {hash} WHERE lane = own
        RETURNING event_head.seq, event_head.hash INTO STRICT place, digest;
        INSERT INTO event_link (lane, seq, event_id, hash) VALUES (own, place, NEW.id, digest);
        RETURN NULL;
    END
"""
ONE_LANE = """
    DECLARE
        place bigint;
        digest text;
    BEGIN
        UPDATE event_head SET seq = event_head.seq + 1, hash = {hash}
        RETURNING event_head.seq, event_head.hash INTO STRICT place, digest;
        INSERT INTO event_link (seq, event_id, hash) VALUES (place, NEW.id, digest);
        RETURN NULL;
    END
"""
# What other lanes hold is chained once more, at the end of the first.
JOINED = f"""
    DO $$
    DECLARE
        entry event;
        place bigint;
        digest text;
    BEGIN
        SELECT seq, hash INTO STRICT place, digest FROM event_head WHERE lane = 0;
        FOR entry IN
            SELECT e.* FROM event e JOIN event_link l ON l.event_id = e.id WHERE l.lane > 0 ORDER BY e.id
        LOOP
            place := place + 1;
            digest := {HASH.format(before='digest', entry=ENTRY.format(seq='place', event='entry'))};
            UPDATE event_link SET lane = 0, seq = place, hash = digest WHERE event_id = entry.id;
        END LOOP;
        UPDATE event_head SET seq = place, hash = digest WHERE lane = 0;
        DELETE FROM event_head WHERE lane > 0;
    END $$
"""


def _chained(body: str) -> None:
    schema = op.get_bind().scalar(sa.text('SELECT quote_ident(current_schema())'))
    entry = ENTRY.format(seq='event_head.seq + 1', event='NEW')
    text = body.format(lanes=LANES, hash=HASH.format(before='event_head.hash', entry=entry))
    op.execute(f"""
        CREATE OR REPLACE FUNCTION event_is_chained() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $${text}$$
    """)


def _switch(how: str) -> None:
    """Switch off, and on again, what keeps everybody from writing the chain by hand."""
    op.execute(f'ALTER TABLE event_head {how} TRIGGER USER')
    op.execute(f'ALTER TABLE event_link {how} TRIGGER USER')


def _number(old: str, new: str, number: int) -> None:
    """Replace the column that numbers the ends, of which there is one."""
    op.add_column('event_head', sa.Column(new, sa.Integer(), server_default=str(number), nullable=False))
    op.alter_column('event_head', new, server_default=None)
    op.drop_column('event_head', old)  # and with it the key, and what it is checked for
    op.create_primary_key('event_head_pkey', 'event_head', [new])


def upgrade() -> None:
    """Apply; what was chained before is the first lane, with the hashes it had."""
    op.execute('LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE')
    op.add_column('event_link', sa.Column('lane', sa.Integer(), server_default='0', nullable=False))
    op.alter_column('event_link', 'lane', server_default=None)
    op.drop_constraint('event_link_pkey', 'event_link')
    op.create_primary_key('event_link_pkey', 'event_link', ['lane', 'seq'])
    # Few rows to a page: each commit leaves a version behind, for which there has to be room beside it.
    op.execute('ALTER TABLE event_head SET (fillfactor = 10)')
    _switch('DISABLE')
    _number('id', 'lane', 0)
    op.execute(f"""
        INSERT INTO event_head (lane, seq, hash)
        SELECT lane, 0, lpad(to_hex(lane), 64, '0') FROM generate_series(1, {LANES - 1}) AS lane
    """)
    _switch('ENABLE')
    _chained(LANED)


def downgrade() -> None:
    """Take back; heads that were kept while several lanes had entries no longer match."""
    op.execute('LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE')
    _switch('DISABLE')
    op.execute(JOINED)
    _number('lane', 'id', 1)
    _switch('ENABLE')
    op.drop_constraint('event_link_pkey', 'event_link')
    op.drop_column('event_link', 'lane')
    op.create_primary_key('event_link_pkey', 'event_link', ['seq'])
    op.execute('ALTER TABLE event_head RESET (fillfactor)')
    op.create_check_constraint('one_row', 'event_head', 'id = 1')
    _chained(ONE_LANE)
