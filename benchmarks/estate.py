"""An estate of a million certificates and five million commands, filled in by Postgres itself within minutes.

The texts that Postgres stores apart from the row (PEM) are short: lists and plans don't read them. A share of the
certificates has a key of ours; as in most installations, the others are imported.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg import sql

from certline.models.ciphers.place import SecretPlace
from certline.models.vault import Vault

# Every certificate of such a number has its key here.
KEY_EVERY = 10
# As long as the text of a key with RSA 2048.
PEM = b"k" * 1_700
ACCOUNTS = """
INSERT INTO account (name, url, customer_uri, login, secret_sealed, status, login_kind, synced_at)
SELECT name, 'https://scm.test', 'nordhafen', name, '', 'active', 'password', now()
FROM unnest(ARRAY['estate', 'leaving']) AS name
"""
ORGANIZATIONS = """
INSERT INTO organization (account_id, scm_id, name, api_enabled, cert_types)
SELECT account.id, 100 + n, 'Organisation ' || n, true, '{SSL}' FROM account, generate_series(0, 49) AS n
"""
PROFILES = """
INSERT INTO profile (account_id, scm_id, name, terms, key_types)
SELECT account.id, 1 + n, 'Profile ' || n, '{47,100,200,365}', '{"RSA": ["2048"], "EC": ["P-256"]}'
FROM account, generate_series(0, 8) AS n
"""
DOMAINS = """
INSERT INTO domain (account_id, scm_id, name, state, delegation_status, validation_status,
  validation_expires, delegations)
SELECT account.id, n, 'd' || n || '.example', 'ACTIVE', 'APPROVED', 'VALIDATED', current_date + 300,
  (SELECT jsonb_agg(jsonb_build_object('org_id', 100 + o, 'cert_types', '["SSL"]'::jsonb))
   FROM generate_series(0, 49) AS o)
FROM account, generate_series(0, 99) AS n
"""
LINES = """
INSERT INTO line (id, account_id, common_name)
SELECT '01HZL' || lpad(n::text, 21, '0'), 1, 'host' || n || '.d' || n % 100 || '.example'
FROM generate_series(1, {certificates}) AS n WHERE n % 10 <> 9
"""
# Nine of ten are the only certificate of their line; each tenth was superseded by the one before it.
ORDERS = """
INSERT INTO "order" (id, account_id, kind, status, scm_id, scm_status, business_key, reference, common_name,
  sans, organization_id, organization_name, profile_id, profile_name, term, key_algorithm, key_size,
  keystore_type,
  comments, external_requesters, custom_fields, fence, attempts, looks, found, polls, scm_renewed,
  scm_auto_renew,
  requested_by, created_at, updated_at, line_id, certificate_id)
SELECT '01HZP' || lpad(n::text, 21, '0'), 1, 'new', 'stored', n, 'Issued', md5(n::text), 'certline ' || n,
  'host' || line || '.d' || line % 100 || '.example', ARRAY['www' || line || '.d' || line % 100 || '.example'],
  100 + n % 50, 'Organisation ' || n % 50, 1 + n % 9, 'Profile ' || n % 9, 200, 'RSA', '2048', 'PKCS12', '',
  '{}', '{}', 0, 1,
  0, '[]', 3, false, false, 'os:ida', now() - n % 300000 * interval '1 minute',
  now() - n % 300000 * interval '1 minute',
  '01HZL' || lpad(line::text, 21, '0'), '01HZC' || lpad(n::text, 21, '0')
FROM (SELECT n, CASE WHEN n % 10 = 9 THEN n - 1 ELSE n END AS line FROM generate_series(1,
  {certificates}) AS n) AS o
"""
KEYS = """
INSERT INTO private_key (id, pem_sealed, algorithm, size, public_key_sha256)
SELECT '01HZK' || lpad(n::text, 21, '0'), '', 'RSA', '2048', md5(n::text)
FROM generate_series({every}, {certificates}, {every}) AS n
"""
# One in a hundred is in its last third; lifetimes are 200, 100 and 47 days.
CERTIFICATES = """
INSERT INTO certificate (id, order_id, line_id, account_id, key_id, scm_id, organization_id, profile_id, status,
  common_name, sans, serial_number, sha256_fingerprint, issuer, not_before, not_after, key_algorithm,
  key_size, leaf,
  issuers, keystore_type, auto_renew, created_at)
SELECT '01HZC' || lpad(n::text, 21, '0'), '01HZP' || lpad(n::text, 21, '0'), '01HZL' || lpad(line::text, 21,
  '0'), 1,
  CASE WHEN n % {every} = 0 THEN '01HZK' || lpad(n::text, 21, '0') END, n, 100 + n % 50, 1 + n % 9,
  CASE WHEN n % 10 = 9 THEN 'superseded' WHEN n % 50 = 3 THEN 'expired' ELSE 'active' END,
  'host' || line || '.d' || line % 100 || '.example', ARRAY['www' || line || '.d' || line % 100 || '.example'],
  md5('serial' || n), md5(n::text) || md5(n::text), 'CN=Sectigo RSA Organization Validation Secure Server CA',
  begins, begins + life * interval '1 day', 'RSA', '2048', '-----BEGIN CERTIFICATE-----', '{}', 'PKCS12',
  false, begins
FROM (SELECT n, line, life, CASE WHEN n % 50 = 3 THEN now() - (life + 1 + n % 30) * interval '1 day'
        ELSE now() - (n::bigint * 7919 % (life * 700)) * interval '1 day' / 1000
          - CASE WHEN n % 100 = 1 THEN life * interval '1 day' * 0.29 ELSE interval '0' END END AS begins
      FROM (SELECT n, CASE WHEN n % 10 = 9 THEN n - 1 ELSE n END AS line, (ARRAY[200, 200, 100,
      47])[1 + n % 4] AS life
            FROM generate_series(1, {certificates}) AS n) AS c) AS d
"""
COMMANDS = """
INSERT INTO command (id, type, subject, payload, payload_sha256, requested_by, source, correlation_id,
  status, attempts,
  restarts, not_before, created_at, started_at, finished_at, touched_at)
SELECT md5('command' || n)::uuid, (ARRAY['order', 'poll', 'fetch', 'hook', 'webhook'])[1 + n % 5],
  '01HZP' || lpad((1 + n / 5)::text, 21, '0'), jsonb_build_object('order', '01HZP' || lpad((1 + n / 5)::text,
  21, '0'),
    'hook', 'H', 'name', 'nginx', 'certificate', 'C', 'common_name', 'a.example',
    'event', jsonb_build_object('id', n, 'type', 'order.stored', 'subject', 'C')), md5(n::text),
  CASE WHEN n % 7 = 0 THEN 'os:ida' ELSE 'certline:worker' END, 'certline', md5('command' || n),
  CASE WHEN n % 1000 = 3 THEN 'failed' ELSE 'done' END, 1, 0, t, t, t, t, t
FROM (SELECT n, now() - n * interval '1 second' AS t FROM generate_series(1, {commands}) AS n) AS c
"""
OPEN_ORDERS = """
INSERT INTO "order" (id, account_id, kind, status, scm_id, business_key, reference, common_name, sans,
  organization_id,
  organization_name, profile_id, profile_name, keystore_type, comments, external_requesters, custom_fields,
  fence,
  attempts, looks, found, polls, scm_renewed, scm_auto_renew, requested_by)
SELECT '01HZQ' || lpad(n::text, 21, '0'), 2, 'new', 'pending', n, 'lost ' || n, 'lost ' || n,
  'lost' || n || '.d1.example', '{}', 100, 'Organisation 0', 1, 'Profile 0', 'PKCS12', '', '{}', '{}', 1, 1,
  0, '[]', 0,
  false, false, 'os:ida'
FROM generate_series(%(first)s::int, %(last)s::int) AS n
"""
EVENTS = """
INSERT INTO event (type, subject, who, data, at)
SELECT (ARRAY['order.placed', 'order.pending', 'order.stored'])[1 + n % 3], '01HZP' || lpad(n::text, 21, '0'),
  CASE WHEN n % 1000 = 3 THEN 'os:amelie' ELSE 'certline:worker' END, '{}', now() - n * interval '20 seconds'
FROM generate_series(1, {certificates}) AS n
"""
# What is filled side by side: commands are as many as all others together.
HALVES: Sequence[tuple[Sequence[str], Sequence[str]]] = (
    ((COMMANDS,), ("command",)),
    (
        (ORDERS, LINES, KEYS, CERTIFICATES, EVENTS),
        ("order", "line", "private_key", "certificate", "event"),
    ),
)


def fill(url: str, *, certificates: int, commands: int) -> None:
    """Fill a new database: the accounts `estate`, with everything, and `leaving`, with nothing yet.

    Triggers and foreign keys are off meanwhile (the audit entries are in no chain), and indexes that enforce
    nothing are made afterwards, as `CREATE INDEX` sorts and an insert doesn't.
    """
    sizes = {"certificates": certificates, "commands": commands, "every": KEY_EVERY}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (ACCOUNTS, ORGANIZATIONS, PROFILES, DOMAINS):
            connection.execute(statement)
        connection.execute("UPDATE license SET capacity = 2000000000")
    with ThreadPoolExecutor(len(HALVES)) as pool:
        list(pool.map(lambda half: _fill_tables(url, half[0], half[1], sizes), HALVES))


def _fill_tables(
    url: str, statements: Sequence[str], tables: Sequence[str], sizes: Mapping[str, int]
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in (
            "session_replication_role = replica",
            "maintenance_work_mem = '512MB'",
            "synchronous_commit = off",
        ):
            connection.execute(f"SET {setting}")  # type: ignore[arg-type, unused-ignore]  # constants
        indexes = _plain_indexes(connection, tables)
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for statement in statements:
            connection.execute(_sized(statement, sizes).encode())
        for _, definition in indexes:
            connection.execute(definition.encode())
        for table in tables:
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))


def seal_keys(url: str, vault: Vault, most: int) -> None:
    """Seal private keys and the accounts' secrets, as `certline keys rotate` will find them.

    More keys than `most` are taken away: they would make the benchmark last longer, and show nothing new.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for number, where in connection.execute("SELECT id, url FROM account").fetchall():
            place = SecretPlace("account", "secret_sealed", str(number), (where, "", "password"))
            sealed = vault.seal(b"secret", place)
            connection.execute(
                "UPDATE account SET secret_sealed = %s WHERE id = %s", (sealed, number)
            )
        connection.execute("SET session_replication_role = replica")
        last = connection.execute(
            "SELECT id FROM private_key ORDER BY id OFFSET %s LIMIT 1", (most,)
        ).fetchone()
        if last is not None:
            connection.execute("UPDATE certificate SET key_id = NULL WHERE key_id >= %s", last)
            connection.execute("DELETE FROM private_key WHERE id >= %s", last)
        ids = [row[0] for row in connection.execute("SELECT id FROM private_key ORDER BY id")]
        sealed_keys = [
            vault.seal(PEM, SecretPlace("private_key", "pem_sealed", own_id)) for own_id in ids
        ]
        connection.execute(
            """UPDATE private_key SET pem_sealed = new.sealed
            FROM unnest(%s::text[], %s::bytea[]) AS new (id, sealed) WHERE private_key.id = new.id""",
            (ids, sealed_keys),
        )
        connection.execute("VACUUM ANALYZE private_key")


def open_orders(url: str, count: int, *, after: int) -> None:
    """Add pending orders of the account `leaving`, without a follow-up; `after`: the number of orders before."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OPEN_ORDERS, {"first": after + 1, "last": after + count})
        connection.execute('ANALYZE "order"')


def _sized(statement: str, sizes: Mapping[str, int]) -> str:
    for name, size in sizes.items():
        statement = statement.replace(f"{{{name}}}", str(size))
    return statement


def _plain_indexes(
    connection: psycopg.Connection, tables: Sequence[str]
) -> Sequence[tuple[str, str]]:
    """Return (name, definition) of the tables' indexes that are not unique."""
    return connection.execute(
        """SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        WHERE t.relname = ANY (%s) AND t.relnamespace = 'public'::regnamespace AND NOT i.indisunique""",
        (list(tables),),
    ).fetchall()
