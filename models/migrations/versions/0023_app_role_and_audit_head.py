"""Parts may log in as a role that does not own the tables, and the head of the audit log goes out each hour."""

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; roles are given their rights by `certline init` (models/database/app_role.py)."""
    # The chain is written with the owner's rights, so that a role which may only add entries needs none on it.
    # The path is fixed: names in the function must not be looked up where its caller says.
    schema = op.get_bind().scalar(sa.text('SELECT quote_ident(current_schema())'))
    op.execute(f"""
        ALTER FUNCTION event_is_chained() SECURITY DEFINER
        SET search_path = pg_catalog, {schema}, pg_temp
    """)
    # Otherwise anybody could make it the trigger of a table of his own, and chain entries that are not in the log.
    op.execute('REVOKE EXECUTE ON FUNCTION event_is_chained() FROM PUBLIC')
    op.execute("INSERT INTO schedule (name, cron, tz, enabled, next_due) VALUES ('audit-head', '0 * * * *', 'UTC', true, now())")


def downgrade() -> None:
    """Take back; a role that does not own the tables can no longer add entries."""
    op.execute("DELETE FROM schedule WHERE name = 'audit-head'")
    op.execute('GRANT EXECUTE ON FUNCTION event_is_chained() TO PUBLIC')
    op.execute('ALTER FUNCTION event_is_chained() SECURITY INVOKER RESET search_path')
