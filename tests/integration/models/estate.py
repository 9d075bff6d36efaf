"""An estate of any size, made by Postgres itself: rows for lists, and for their plans."""

from sqlalchemy import text

from certline.models import Database

# 97 % of the orders are stored; the other states are rare, as in a line that works.
ORDERS = """
INSERT INTO "order" (id, account_id, kind, status, scm_id, business_key, reference, common_name,
    sans, organization_id, organization_name, profile_id, profile_name, keystore_type, comments,
    external_requesters, custom_fields, fence, attempts, looks, found, polls, scm_renewed,
    scm_auto_renew, requested_by, created_at, updated_at)
SELECT lpad(n::text, 26, '0'), 1 + (n % 1000 = 7)::int, 'new',
    CASE WHEN n % 33 <> 5 THEN 'stored'
         ELSE (ARRAY['pending', 'issued', 'held', 'rejected', 'cancelled', 'review'])[1 + n / 33 % 6] END,
    n, 'key ' || n, 'reference ' || n,
    'host' || n || '.' || (ARRAY['shop', 'mail', 'www', 'vpn'])[1 + n % 4] || n % 500 || '.example',
    '{}', CASE WHEN n % 5000 = 3 THEN 7 ELSE 100 + n % 50 END, 'Organisation', 1 + n % 9, 'Profile',
    'PKCS12', '', '{}', '{}', 0, 0, 0, '[]', 0, false, false, 'ida',
    now() - n * interval '1 minute', now() - n::bigint * 7919 % :rows * interval '1 minute'
FROM generate_series(1, :rows) AS n
"""
LINES = """
INSERT INTO line (id, account_id, common_name)
SELECT id, account_id, common_name FROM "order" WHERE status = 'stored'
"""
CERTIFICATES = """
INSERT INTO certificate (id, order_id, line_id, account_id, scm_id, organization_id, profile_id,
    status, common_name, sans, serial_number, sha256_fingerprint, issuer, not_before, not_after,
    key_algorithm, key_size, leaf, issuers, keystore_type, auto_renew, revoked_at)
SELECT id, id, id, account_id, scm_id, organization_id, profile_id,
    CASE WHEN scm_id % 100 = 1 THEN 'revoked' WHEN scm_id % 4 = 2 THEN 'superseded'
         WHEN scm_id % 7 = 3 THEN 'expired' ELSE 'active' END,
    common_name, ARRAY[common_name], to_hex(scm_id), '', 'CA', now() - interval '1 year',
    now() + scm_id::bigint * 7919 % 400 * interval '1 day' + scm_id * interval '1 second', 'EC', 'P-256',
    '', '{}', 'PKCS12', false, CASE WHEN scm_id % 100 = 1 THEN now() END
FROM "order" WHERE status = 'stored'
"""
COMMANDS = """
INSERT INTO command (id, type, subject, payload, payload_sha256, requested_by, source,
    correlation_id, status, attempts, restarts, not_before, created_at, touched_at)
SELECT gen_random_uuid(), CASE WHEN n % 5000 = 1 THEN 'sync' ELSE (ARRAY['order', 'poll', 'fetch'])[1 + n % 3] END,
    lpad((n / 3)::text, 26, '0'), '{}', '', 'ida', 'cli', '',
    CASE WHEN n % 50 <> 5 THEN 'done' ELSE (ARRAY['failed', 'held', 'review'])[1 + n / 50 % 3] END,
    1, 0, now(), now() - n * interval '1 minute', now()
FROM generate_series(1, :rows) AS n
"""
LETTERS = """
INSERT INTO dead_letter (id, source, reason, properties, body_sealed, sha256, message_id, attempts,
    status, decided_at)
SELECT lpad(n::text, 26, '0'), 'queue', 'why', '{}', '', n::text, n::text, 0,
    CASE WHEN n % 500 = 1 THEN 'waiting' ELSE 'dropped' END,
    CASE WHEN n % 500 <> 1 THEN now() END
FROM generate_series(1, :rows) AS n
"""
ENTRIES = """
INSERT INTO event (type, subject, who, data, at)
SELECT CASE WHEN n % 5000 = 1 THEN 'keys.rotated' WHEN n % 5000 = 2 THEN 'account.added'
         ELSE (ARRAY['order.placed', 'order.pending', 'order.stored'])[1 + n % 3] END,
    lpad((n / 3)::text, 26, '0'), CASE WHEN n % 1000 = 3 THEN 'amelie' ELSE 'certline' END, '{}',
    now() - n * interval '1 minute'
FROM generate_series(1, :rows) AS n
"""
TABLES = {
    "line": LINES,
    "certificate": CERTIFICATES,
    "command": COMMANDS,
    "dead_letter": LETTERS,
    "event": ENTRIES,
}


def fill(database: Database, rows: int) -> None:
    """So many orders, commands, dead letters and entries of the log, and nearly as many certificates.
    Two accounts must be there, with the ids 1 and 2.
    """
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Neither foreign keys nor a time limit: the rows are right, and many.
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text("SET statement_timeout = 0"))
        for statement in (ORDERS, *TABLES.values()):
            connection.execute(text(statement), {"rows": rows})
        connection.execute(text("SET session_replication_role = DEFAULT"))
        for table in ('"order"', *TABLES):
            connection.execute(text(f"VACUUM ANALYZE {table}"))
