"""The log is a chain: each entry's hash is made of the one before it, by Postgres, at the commit."""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

INDEXES = (
    ('event_by_time', ['at', 'id']),
    ('event_by_who', ['who', 'at', 'id']),
    ('event_by_type', ['type', 'at', 'id']),
)

# The hash before it, a line feed, and the entry as one JSON array. `models/audit.py` counts it again.
HASH = """encode(sha256(convert_to({before} || chr(10) || jsonb_build_array({seq}, {event}.id,
    to_char({event}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), {event}.type,
    {event}.subject, {event}.command_id, {event}.who, {event}.why, {event}.data)::text, 'UTF8')), 'hex')"""


def upgrade() -> None:
    """Apply; what was logged before is chained as it is, in the order of its ids."""
    op.execute('LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE')
    op.create_table('event_link',
    sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('event_link_pkey')),
    sa.UniqueConstraint('event_id', name=op.f('event_link_event_id_key'))
    )
    op.create_table('event_head',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.CheckConstraint('id = 1', name=op.f('event_head_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('event_head_pkey'))
    )
    op.execute(f"""
        DO $$
        DECLARE
            entry event;
            place bigint := 0;
            digest text := repeat('0', 64);
        BEGIN
            FOR entry IN SELECT * FROM event ORDER BY id LOOP
                place := place + 1;
                digest := {HASH.format(before='digest', seq='place', event='entry')};
                INSERT INTO event_link (seq, event_id, hash) VALUES (place, entry.id, digest);
            END LOOP;
            INSERT INTO event_head (id, seq, hash) VALUES (1, place, digest);
        END $$
    """)
    # Deferred to the commit: the lock on the chain's end is the last one that a transaction takes, so it
    # is in no circle of locks, and no client can be away while it is held.
    op.execute(f"""
        CREATE FUNCTION event_is_chained() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            place bigint;
            digest text;
        BEGIN
            UPDATE event_head
               SET seq = event_head.seq + 1,
                   hash = {HASH.format(before='event_head.hash', seq='event_head.seq + 1', event='NEW')}
            RETURNING event_head.seq, event_head.hash INTO STRICT place, digest;
            INSERT INTO event_link (seq, event_id, hash) VALUES (place, NEW.id, digest);
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE CONSTRAINT TRIGGER event_chained AFTER INSERT ON event
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION event_is_chained()
    """)
    # The chain is written by the trigger only, and never again.
    op.execute("""
        CREATE TRIGGER event_link_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_link
        FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only()
    """)
    op.execute("""
        CREATE TRIGGER event_link_by_trigger BEFORE INSERT ON event_link
        FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION event_is_append_only()
    """)
    op.execute("""
        CREATE TRIGGER event_head_stays BEFORE DELETE OR TRUNCATE ON event_head
        FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only()
    """)
    op.execute("""
        CREATE TRIGGER event_head_by_trigger BEFORE INSERT OR UPDATE ON event_head
        FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION event_is_append_only()
    """)
    for name, columns in INDEXES:
        op.create_index(name, 'event', columns, unique=False)


def downgrade() -> None:
    """Take back; the log stays, and its chain is gone."""
    for name, _ in INDEXES:
        op.drop_index(name, 'event')
    op.execute('DROP TRIGGER event_chained ON event')
    op.execute('DROP FUNCTION event_is_chained')
    op.drop_table('event_head')
    op.drop_table('event_link')
