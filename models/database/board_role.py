"""The board's role: what the board logs in to Postgres as. It reads what pages show, and writes nothing.

Columns are granted, not tables: private keys, passwords, sealed values, payloads and messages are not among them.
"""

from dataclasses import dataclass, field

from psycopg import sql
from sqlalchemy import Connection, LargeBinary, Table, text

from certline.models import every_table
from certline.models.database.app_role import (
    SEQUENCES,
    VERSION,
    VIEWS,
    execute,
    usage_grant,
)

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
            *("auto_validation", "auto_validation_choice", "auto_validation_decision"),
            # The proof of a domain is public: a record of the DNS, or a file behind a URL.
            "domain_validation",
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

# What the role is, and what holds for all of the database. `creates`: objects of its own, in which a part could be
# made to run its code.
ROLE = text("""SELECT r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT') AS enters,
      has_schema_privilege(r.oid, current_schema(), 'USAGE') AS uses,
      has_schema_privilege(r.oid, current_schema(), 'CREATE') AS creates,
      r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls AS mighty,
      pg_has_role(r.oid, t.relowner, 'MEMBER') AS owner
    FROM pg_roles AS r, pg_class AS t WHERE r.rolname = :role AND t.oid = to_regclass('event')""")
# The rights on whole tables are those on each column too.
READABLE = text("""SELECT t.relname, c.attname FROM pg_class AS t
    JOIN pg_attribute AS c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
    WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND has_column_privilege(:role, t.oid, c.attnum, 'SELECT')""")
WRITABLE = text("""SELECT t.relname FROM pg_class AS t
    WHERE t.relnamespace = current_schema()::regnamespace AND CASE t.relkind
      WHEN 'S' THEN has_sequence_privilege(:role, t.oid, 'USAGE, UPDATE')
      WHEN 'r' THEN has_table_privilege(:role, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege(:role, t.oid, 'INSERT, UPDATE, REFERENCES')
      WHEN 'v' THEN has_table_privilege(:role, t.oid, 'INSERT, UPDATE, DELETE, TRIGGER')
        OR has_any_column_privilege(:role, t.oid, 'INSERT, UPDATE')
      ELSE false END
    ORDER BY t.relname""")


@dataclass(frozen=True)
class BoardRights:
    """Rights of a role. `unread`: what pages show and it cannot read; `too_much`: what it reads besides.

    `why_mighty`: what lets it do more than its grants say, None for nothing.
    """

    role: str
    exists: bool
    enters: bool = False
    why_mighty: str | None = None
    unread: list[str] = field(default_factory=list)
    too_much: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


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
    counters = connection.scalars(SEQUENCES, {"tables": [table.name for table in tables]})
    # Taken away first: it may have had more. That takes the rights on columns too.
    statements = [
        sql.SQL("REVOKE ALL ON {} FROM {}").format(comma.join(everything), name),
        *(
            sql.SQL("REVOKE ALL ON SEQUENCE {} FROM {}").format(sql.Identifier(each), name)
            for each in counters
        ),
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


def board_roles(connection: Connection, wanted: str | None) -> list[str]:
    """Return the roles that may read the board's views, and the one that the settings name."""
    return sorted({*connection.scalars(KNOWN_ROLES), *([wanted] if wanted else [])})


def board_rights(connection: Connection, role: str) -> BoardRights:
    """Return what a role may do. Any role may ask this of another one; the tables have to be there."""
    row = connection.execute(ROLE, {"role": role}).one_or_none()
    if row is None:
        return BoardRights(role, exists=False)
    shown, known = _shown(), {table.name for table in every_table()}
    readable = {(table, column) for table, column in connection.execute(READABLE, {"role": role})}
    views = {(table, "") for table, _ in readable if table in (*VIEWS, VERSION)}
    unread = (shown - readable - views) if row.uses else shown
    extra = {each for each in readable if each[0] in known} - shown
    return BoardRights(
        role,
        exists=True,
        enters=row.enters,
        why_mighty=_why_mighty(mighty=row.mighty, owner=row.owner, creates=row.creates),
        unread=_named(unread),
        too_much=_named(extra),
        written=list(connection.scalars(WRITABLE, {"role": role})),
    )


def _shown() -> set[tuple[str, str]]:
    """Return tables and columns that pages show; a view is read as a whole, and named without a column."""
    columns = {(table.name, column) for table in every_table() for column in shown_columns(table)}
    return columns | {(view, "") for view in (*VIEWS, VERSION)}


def _why_mighty(*, mighty: bool, owner: bool, creates: bool) -> str | None:
    if mighty:
        return "it is a superuser, or may make roles or replicate"
    if owner:
        return "it is, or is a member of, the owner of the tables"
    return "it may create objects in the schema of the tables" if creates else None


def _named(columns: set[tuple[str, str]]) -> list[str]:
    return sorted(f"{table}.{column}" if column else table for table, column in columns)
