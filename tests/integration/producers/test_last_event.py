"""Test of the look-up of a command's last event, which each command that is sent again needs."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.events.outbox import last_event

# Four events of each of 5,000 commands, as Postgres has counted them.
FULL = """
INSERT INTO outbox (event_id, exchange, routing_key, body, mandatory, attempts, sent_at)
SELECT gen_random_uuid(), 'certline.events', 'order.placed',
  jsonb_build_object('correlationid', 'command ' || n % 5000, 'data', repeat('x', 300)), false, 1, now()
FROM generate_series(1, 20000) AS n
"""


def test_the_last_event_of_a_command_is_found_by_the_command(database: Database) -> None:
    is_newest, plan = database.rehearse(look_up)

    assert is_newest
    assert "outbox_correlation" in plan


def look_up(db: Session) -> tuple[bool, str]:
    """Fill the outbox. Returns whether the event that is found is the newest, and how Postgres looks for it."""
    db.execute(text(FULL))
    db.execute(text("ANALYZE outbox"))
    found = db.scalars(last_event("command 7")).one()
    newest = text("SELECT max(id) FROM outbox WHERE body ->> 'correlationid' = 'command 7'")
    query = last_event("command 7").compile(db.get_bind())
    plan = db.connection().exec_driver_sql(f"EXPLAIN {query}", query.params).scalars()
    return found.id == db.scalar(newest), "\n".join(plan)
