"""The view of commands shows the fields of a validation, and the provider that is tried."""

from alembic import op

revision = '0041'
down_revision = '0040'
branch_labels = None
depends_on = None

# The fields of payloads that anybody may see. Not among them: passwords, even sealed ones.
FIELDS = (
    'account', 'again', 'batch', 'certificate', 'comments', 'common_name', 'csr', 'custom_fields', 'dry_run', 'event',
    'external_requesters', 'hook', 'import_id', 'key_algorithm', 'key_size', 'keystore_type', 'known', 'name', 'order',
    'organization', 'profile', 'reason', 'reason_code', 'resources', 'reuse_key', 'revoke_old_after', 'route', 'sans', 'status',
    'term', 'test', 'webhook', 'without_other_names', 'yes',
)
MORE_FIELDS = (*FIELDS, 'dns', 'domain', 'email', 'method', 'provider', 'within')


def upgrade() -> None:
    """Apply."""
    _show(MORE_FIELDS)


def downgrade() -> None:
    """Take back."""
    _show(FIELDS)


def _show(fields: tuple[str, ...]) -> None:
    # Replaced, not made anew: the rights on the view stay.
    shown = ', '.join(f"'{field}'" for field in fields)
    op.execute(f"""CREATE OR REPLACE VIEW public_command AS
SELECT id, type, subject, payload ->> 'name' AS hook,
    (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(payload) WHERE key IN ({shown})) AS payload,
    requested_by, claimed, source, sender, correlation_id, traceparent, status, attempts, restarts, not_before,
    result - 'output' AS result, error, created_at, started_at, finished_at, touched_at
FROM command""")
