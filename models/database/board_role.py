"""The board's role: what the board logs in to Postgres as. It reads what pages show, and writes nothing.

Columns are granted, not tables: private keys, passwords, sealed values, payloads and messages are not among them.
"""

from psycopg import sql
from sqlalchemy import Connection, LargeBinary, Table, text

from certline.models import every_table
from certline.models.database.app_role import VERSION, VIEWS, execute, usage_grant

# Tables that pages show, and the columns of each that the role may not read. Columns of bytes (everything that is
# encrypted, and proofs of keys) are withheld in every table.
SHOWN: dict[str, frozenset[str]] = {
    "account": frozenset({"client_certificate"}),
    "certificate": frozenset(),
    # A result may have the output of a hook's program; `public_command` leaves that out.
    "command": frozenset({"payload", "payload_sha256", "result"}),
    "dead_letter": frozenset(),
    "notice_route": frozenset({"url_sealed"}),
    "order": frozenset({"csr", "business_key"}),
    "outbox": frozenset({"body", "senders"}),
    "webhook": frozenset({"url"}),
    **dict.fromkeys(
        (
            *("approval", "approval_rule", "breaker", "custom_field", "domain", "organization"),
            *("auto_renew_choice", "auto_renew_decision", "auto_renew_rule", "auto_renew_run"),
            *("auto_renew_setting", "event", "event_head", "event_link", "event_patrol"),
            *("heartbeat", "hook", "import_record", "import_run", "license", "line"),
            *("line_backoff", "metric_sample", "notice", "pace", "profile", "recovery"),
            *("renewal_batch", "renewal_member", "schedule", "schedule_run", "sender"),
        ),
        frozenset(),
    ),
}
# Every role but the owner that may read the views for the board, but may not add to what all parts write to.
KNOWN_ROLES = text("""SELECT DISTINCT pg_get_userbyid(granted.grantee)
    FROM pg_class AS t, aclexplode(t.relacl) AS granted
    WHERE t.oid = to_regclass('public_command') AND granted.privilege_type = 'SELECT'
      AND granted.grantee NOT IN (t.relowner, 0)
      AND NOT has_table_privilege(granted.grantee, 'command', 'INSERT')""")


def shown_columns(table: Table) -> list[str]:
    """Return the columns of a table that the role may read, none for a table that no page shows."""
    if table.name not in SHOWN:
        return []
    return [
        column.name
        for column in table.columns
        if column.name not in SHOWN[table.name] and not isinstance(column.type, LargeBinary)
    ]


def grant_reading(connection: Connection, role: str) -> None:
    """Give the role exactly the rights that the board needs. To be called by the owner of the tables."""
    name = sql.Identifier(role)
    comma = sql.SQL(", ")
    tables = sorted(every_table(), key=lambda table: table.name)
    views = [sql.Identifier(view) for view in (*VIEWS, VERSION)]
    everything = [*(sql.Identifier(table.name) for table in tables), *views]
    # Taken away first: it may have had more. That takes the rights on columns too.
    statements = [
        sql.SQL("REVOKE ALL ON {} FROM {}").format(comma.join(everything), name),
        sql.SQL("GRANT SELECT ON {} TO {}").format(comma.join(views), name),
    ]
    for table in tables:
        columns = [sql.Identifier(column) for column in shown_columns(table)]
        if columns:
            grant = sql.SQL("GRANT SELECT ({}) ON {} TO {}")
            statements.append(grant.format(comma.join(columns), sql.Identifier(table.name), name))
    for statement in [*statements, *usage_grant(connection, role)]:
        execute(connection, statement)


def grant_reading_anew(connection: Connection) -> list[str]:
    """Give each role that had the board's rights those on new tables as well. Returns their names."""
    roles = sorted(connection.scalars(KNOWN_ROLES))
    for role in roles:
        grant_reading(connection, role)
    return roles
