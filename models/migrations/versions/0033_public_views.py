"""Views of commands and webhooks without their secrets; what a login may do at SCM; indexes for lists of decisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None

# The fields of payloads that anybody may see. Not among them: passwords, even sealed ones.
FIELDS = (
    'account', 'again', 'batch', 'certificate', 'comments', 'common_name', 'csr', 'custom_fields', 'dry_run', 'event',
    'external_requesters', 'hook', 'import_id', 'key_algorithm', 'key_size', 'keystore_type', 'known', 'name', 'order',
    'organization', 'profile', 'reason', 'reason_code', 'resources', 'reuse_key', 'revoke_old_after', 'route', 'sans', 'status',
    'term', 'test', 'webhook', 'without_other_names', 'yes',
)
COMMANDS = f"""CREATE VIEW public_command AS
SELECT id, type, subject, payload ->> 'name' AS hook,
    (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(payload)
        WHERE key IN ({', '.join(f"'{field}'" for field in FIELDS)})) AS payload,
    requested_by, claimed, source, sender, correlation_id, traceparent, status, attempts, restarts, not_before,
    result - 'output' AS result, error, created_at, started_at, finished_at, touched_at
FROM command"""
# Scheme and host of a URL; what follows may be a secret, and so may what precedes an `@`.
WEBHOOKS = r"""CREATE VIEW public_webhook AS
SELECT id, coalesce(part[1] || part[2] || CASE WHEN part[3] IN ('', '/') THEN '' ELSE '/…' END, '…') AS url,
    events, allow_private, status, status_reason, failures, resting_until, created_by, created_at
FROM webhook
LEFT JOIN LATERAL regexp_match(url, '^([a-zA-Z]+://)(?:[^/?#]*@)?([^/?#@]*)(.*)$') AS part ON true"""
DECISIONS = 'auto_renew_decision'


def upgrade() -> None:
    """Apply; what an account's login may do is known after the next `certline account verify`."""
    op.execute(COMMANDS)
    op.execute(WEBHOOKS)
    op.add_column('account', sa.Column('examined', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index('command_by_hook', 'command', [sa.text("(payload ->> 'name')"), 'created_at', 'id'],
                    postgresql_where=sa.text("type = 'hook'"))
    op.create_index('auto_renew_decision_of_run', DECISIONS, ['run_id', 'decided_at', 'id'],
                    postgresql_include=['decision'])
    op.create_index('auto_renew_decision_by_kind', DECISIONS, ['decision', 'decided_at', 'id'])
    op.create_index('auto_renew_decision_by_name', DECISIONS, ['common_name', 'decided_at', 'id'])
    op.create_index('auto_renew_decision_by_command', DECISIONS, ['command_id'],
                    postgresql_where=sa.text('command_id IS NOT NULL'))


def downgrade() -> None:
    """Take back."""
    for name in ('by_command', 'by_name', 'by_kind', 'of_run'):
        op.drop_index(f'auto_renew_decision_{name}', DECISIONS)
    op.drop_index('command_by_hook', 'command')
    op.drop_column('account', 'examined')
    op.execute('DROP VIEW public_webhook')
    op.execute('DROP VIEW public_command')
