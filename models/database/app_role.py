"""The app role: what the parts log in to Postgres as, where that is not the owner of the tables.

It reads and writes the tables, and may only add to the audit log. The owner is needed for migrations alone.
"""

from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, text

from certline.models import every_table

# The log's entries; the database itself says when one was added and under which number.
ENTRIES, GIVEN_BY_POSTGRES = "event", ("id", "at")
# Written by a trigger, with the rights of the owner (migration 0023).
CHAIN = ("event_link", "event_head")
# Tables without their secrets, as a page may show them (migration 0033).
VIEWS = ("public_command", "public_webhook")
# Alembic's table: a part compares it with its own version when it starts.
VERSION = "alembic_version"

# Every role but the owner that may add to a table which all parts write to, but not change the audit log; a role
# that may was given its rights by somebody else.
KNOWN_ROLES = text("""SELECT DISTINCT pg_get_userbyid(granted.grantee)
    FROM pg_class AS t, aclexplode(t.relacl) AS granted
    WHERE t.oid = to_regclass('command') AND granted.privilege_type = 'INSERT'
      AND granted.grantee NOT IN (t.relowner, 0)
      AND NOT has_table_privilege(granted.grantee, 'event', 'UPDATE')""")
# `serial` columns have a sequence of their own, which needs a right of its own; identity columns need none.
SEQUENCES = text("""SELECT s.relname FROM pg_class AS s
    JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype = 'a'
    JOIN pg_class AS t ON t.oid = d.refobjid
    WHERE s.relkind = 'S' AND t.relnamespace = current_schema()::regnamespace
      AND t.relname = ANY(:tables)""")
ENTRY_COLUMNS = text("""SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped ORDER BY attnum""")
# The role itself, and what it could become, may neither be the owner nor a superuser.
STANDING = text("""SELECT r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls,
      pg_has_role(r.oid, t.relowner, 'MEMBER'), has_schema_privilege(r.oid, current_schema(), 'CREATE'),
      pg_get_userbyid(t.relowner)
    FROM pg_roles AS r, pg_class AS t WHERE r.rolname = :role AND t.oid = to_regclass('event')""")
OWN_STANDING = text("""SELECT current_user, r.rolsuper OR pg_has_role(t.relowner, 'MEMBER')
    FROM pg_roles AS r, pg_class AS t WHERE r.rolname = current_user AND t.oid = to_regclass('event')""")


class AppRoleError(Exception):
    """The app role cannot be used; the text says why, and what its administrator can do."""


@dataclass(frozen=True)
class Standing:
    """Who this process is to Postgres. `owns`: it could change the audit log, as owner or superuser."""

    role: str
    owns: bool


def own_standing(connection: Connection) -> Standing:
    """Return what role this connection has. The tables have to be there."""
    role, owns = connection.execute(OWN_STANDING).one()
    return Standing(role, owns)


def prepare_role(
    connection: Connection, role: str, password: str | None, given_by: str = "CERTLINE_APP_PASSWORD"
) -> bool:
    """Make the role, if there is none and a password is given, or set its password. Returns True if it was made.

    Raises AppRoleError if the role is missing and there is no password, or if it has rights that it must not have.
    To be called by the owner, once the tables are there. `given_by`: the variable with the password.
    """
    known = bool(
        connection.scalar(text("SELECT to_regrole(quote_ident(:r)) IS NOT NULL"), {"r": role})
    )
    if not known and password is None:
        raise AppRoleError(
            f"Postgres has no role {role!r}. Let its administrator make it "
            f"(CREATE ROLE {role} LOGIN PASSWORD '…'), or give its password in {given_by}, if this "
            "login may make roles"
        )
    if password is not None:
        word = sql.SQL("ALTER" if known else "CREATE")
        execute(
            connection,
            sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                word, sql.Identifier(role), sql.Literal(_verifier(connection, role, password))
            ),
        )
    _require_less(connection, role)
    return not known


def grant_rights(connection: Connection, role: str) -> None:
    """Give the role exactly the rights that the parts need. To be called by the owner of the tables."""
    name = sql.Identifier(role)
    columns = [
        sql.Identifier(column)
        for column in connection.scalars(ENTRY_COLUMNS, {"table": ENTRIES})
        if column not in GIVEN_BY_POSTGRES
    ]
    tables = sorted({table.name for table in every_table()} - {ENTRIES, *CHAIN})
    readable = [sql.Identifier(table) for table in (ENTRIES, *CHAIN, *VIEWS, VERSION)]
    written = [sql.Identifier(table) for table in tables]
    comma = sql.SQL(", ")
    # Taken away first: it may have had more, as from `GRANT ALL`.
    revoked = comma.join([*readable, *written])
    statements = [
        sql.SQL("REVOKE ALL ON {} FROM {}").format(revoked, name),
        sql.SQL("GRANT SELECT ON {} TO {}").format(comma.join(readable), name),
        sql.SQL("GRANT INSERT ({}) ON {} TO {}").format(
            comma.join(columns), sql.Identifier(ENTRIES), name
        ),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(
            comma.join(written), name
        ),
    ]
    for sequence in connection.scalars(SEQUENCES, {"tables": tables}):
        grant = sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}")
        statements.append(grant.format(sql.Identifier(sequence), name))
    for statement in [*statements, *usage_grant(connection, role)]:
        execute(connection, statement)


def usage_grant(connection: Connection, role: str) -> list[sql.Composed]:
    """Return the statement that lets the role use the tables' schema; none if it may."""
    schema = str(connection.scalar(text("SELECT current_schema()")))
    if _has(connection, role, schema, "USAGE"):
        return []
    grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
    return [grant.format(sql.Identifier(schema), sql.Identifier(role))]


def grant_anew(connection: Connection) -> list[str]:
    """Give each role that had the parts' rights those on new tables as well. Returns their names."""
    roles = sorted(connection.scalars(KNOWN_ROLES))
    for role in roles:
        grant_rights(connection, role)
    return roles


def _require_less(connection: Connection, role: str) -> None:
    """Raise AppRoleError if the role could change the audit log all the same."""
    mighty, member, creates, owner = connection.execute(STANDING, {"role": role}).one()
    if creates and not (mighty or member):
        # Postgres 14 and older let everybody create in `public`: functions there could be called by the owner.
        schema = str(connection.scalar(text("SELECT current_schema()")))
        with connection.begin_nested():
            revoke = sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC, {}")
            execute(connection, revoke.format(sql.Identifier(schema), sql.Identifier(role)))
        creates = _has(connection, role, schema, "CREATE")
    problem = (
        "is a superuser, or may make roles or replicate"
        if mighty
        else f"is a member of {owner!r}, the owner of the tables"
        if member
        else "may create objects in the schema of the tables"
        if creates
        else None
    )
    if problem is not None:
        raise AppRoleError(
            f"the role {role!r} {problem}: it could change the audit log. Let the administrator of Postgres take "
            "that right from it, or make another role"
        )


def _verifier(connection: Connection, role: str, password: str) -> str:
    """Return what Postgres stores of a password, so that the password itself is in no statement and no log."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101  # the connection is open
    made: bytes = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return made.decode()


def _has(connection: Connection, role: str, schema: str, right: str) -> bool:
    query = text("SELECT has_schema_privilege(:role, :schema, :right)")
    return bool(connection.scalar(query, {"role": role, "schema": schema, "right": right}))


def execute(connection: Connection, statement: sql.Composed) -> None:
    """Run a statement without parameters, such as a grant."""
    driver = connection.connection.driver_connection
    connection.exec_driver_sql(statement.as_string(driver).replace("%", "%%"))
