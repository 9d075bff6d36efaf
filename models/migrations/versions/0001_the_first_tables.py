"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('account',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('customer_uri', sa.Text(), nullable=False),
    sa.Column('login', sa.Text(), nullable=False),
    sa.Column('password_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('status', sa.Enum('active', 'suspended', name='accountstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('status_reason', sa.Text(), nullable=True),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('synced_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('account_pkey')),
    sa.UniqueConstraint('name', name=op.f('account_name_key'))
    )
    op.create_table('command',
    sa.Column('id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('type', sa.Enum('sync', 'order', 'poll', 'fetch', name='commandtype_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('payload_sha256', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('correlation_id', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('queued', 'running', 'done', 'failed', 'held', 'review', name='commandstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('restarts', sa.Integer(), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('result', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('touched_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('command_pkey'))
    )
    op.create_index('command_open_step', 'command', ['type', 'subject'], unique=True, postgresql_where=sa.text("type IN ('poll', 'fetch') AND status IN ('queued', 'running')"))
    op.create_index('command_status_due', 'command', ['status', 'not_before'], unique=False)
    op.create_table('event',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=True),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('event_pkey'))
    )
    op.create_index('event_subject', 'event', ['subject', 'id'], unique=False)
    op.create_table('license',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('capacity', sa.Integer(), nullable=False),
    sa.CheckConstraint('capacity >= 0', name=op.f('license_capacity_counts')),
    sa.CheckConstraint('id = 1', name=op.f('license_one_row')),
    sa.PrimaryKeyConstraint('id', name=op.f('license_pkey'))
    )
    op.create_table('outbox',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('event_id', sa.UUID(as_uuid=False), nullable=False),
    sa.Column('exchange', sa.Text(), nullable=False),
    sa.Column('routing_key', sa.Text(), nullable=False),
    sa.Column('body', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('mandatory', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('parked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('outbox_pkey')),
    sa.UniqueConstraint('event_id', name=op.f('outbox_event_id_key')),
    postgresql_with={'autovacuum_vacuum_scale_factor': '0', 'autovacuum_vacuum_threshold': '1000', 'fillfactor': '80'}
    )
    op.create_index('outbox_due', 'outbox', ['not_before', 'id'], unique=False, postgresql_where=sa.text('sent_at IS NULL AND parked_at IS NULL'))
    op.create_index('outbox_sent', 'outbox', ['sent_at'], unique=False, postgresql_where=sa.text('sent_at IS NOT NULL'))
    op.create_table('private_key',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('pem_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('algorithm', sa.Text(), nullable=False),
    sa.Column('size', sa.Text(), nullable=False),
    sa.Column('public_key_sha256', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('private_key_pkey')),
    sa.UniqueConstraint('public_key_sha256', name=op.f('private_key_public_key_sha256_key'))
    )
    op.create_table('schedule',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('cron', sa.Text(), nullable=False),
    sa.Column('tz', sa.Text(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('next_due', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('schedule_pkey'))
    )
    op.create_table('custom_field',
    sa.Column('mandatory', sa.Boolean(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('scm_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('synced_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('gone_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('custom_field_account_id_fkey')),
    sa.PrimaryKeyConstraint('account_id', 'scm_id', name=op.f('custom_field_pkey'))
    )
    op.create_table('domain',
    sa.Column('state', sa.Text(), nullable=True),
    sa.Column('delegation_status', sa.Text(), nullable=True),
    sa.Column('validation_status', sa.Text(), nullable=True),
    sa.Column('validation_method', sa.Text(), nullable=True),
    sa.Column('validation_expires', sa.Date(), nullable=True),
    sa.Column('delegations', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('scm_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('synced_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('gone_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('domain_account_id_fkey')),
    sa.PrimaryKeyConstraint('account_id', 'scm_id', name=op.f('domain_pkey'))
    )
    op.create_table('line',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('common_name', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('line_account_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('line_pkey'))
    )
    op.create_index('line_managed', 'line', ['id'], unique=False, postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_table('organization',
    sa.Column('parent_id', sa.Integer(), nullable=True),
    sa.Column('parent_name', sa.Text(), nullable=True),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('scm_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('synced_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('gone_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('organization_account_id_fkey')),
    sa.PrimaryKeyConstraint('account_id', 'scm_id', name=op.f('organization_pkey'))
    )
    op.create_table('profile',
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('terms', sa.ARRAY(sa.Integer()), nullable=False),
    sa.Column('key_types', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('scm_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('synced_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('gone_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('profile_account_id_fkey')),
    sa.PrimaryKeyConstraint('account_id', 'scm_id', name=op.f('profile_pkey'))
    )
    op.create_table('schedule_run',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('due', sa.DateTime(timezone=True), nullable=False),
    sa.Column('fired_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['name'], ['schedule.name'], name=op.f('schedule_run_name_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('name', 'due', name=op.f('schedule_run_pkey'))
    )
    op.create_table('order',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('command_id', sa.UUID(as_uuid=False), nullable=True),
    sa.Column('kind', sa.Enum('new', 'renewal', 'reissue', 'import', name='orderkind_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('status', sa.Enum('placed', 'sending', 'pending', 'issued', 'held', 'stored', 'rejected', 'cancelled', 'review', name='orderstatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('scm_id', sa.Integer(), nullable=True),
    sa.Column('scm_status', sa.Text(), nullable=True),
    sa.Column('renew_id', sa.Text(), nullable=True),
    sa.Column('business_key', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('common_name', sa.Text(), nullable=False),
    sa.Column('sans', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('organization_name', sa.Text(), nullable=False),
    sa.Column('profile_id', sa.Integer(), nullable=False),
    sa.Column('profile_name', sa.Text(), nullable=False),
    sa.Column('term', sa.Integer(), nullable=True),
    sa.Column('key_algorithm', sa.Text(), nullable=True),
    sa.Column('key_size', sa.Text(), nullable=True),
    sa.Column('key_id', sa.Text(), nullable=True),
    sa.Column('csr', sa.Text(), nullable=True),
    sa.Column('public_key_sha256', sa.Text(), nullable=True),
    sa.Column('keystore_type', sa.Text(), nullable=False),
    sa.Column('keystore_password_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('comments', sa.Text(), nullable=False),
    sa.Column('external_requesters', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('custom_fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('polls', sa.Integer(), nullable=False),
    sa.Column('next_poll_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('line_id', sa.Text(), nullable=True),
    sa.Column('certificate_id', sa.Text(), nullable=True),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.CheckConstraint("status NOT IN ('pending', 'issued', 'held', 'stored') OR scm_id IS NOT NULL", name=op.f('order_known_to_scm')),
    sa.CheckConstraint("status NOT IN ('placed', 'sending') OR csr IS NOT NULL", name=op.f('order_csr_before_sending')),
    sa.CheckConstraint('char_length(comments) <= 1024', name=op.f('order_comments_fit_scm')),
    sa.CheckConstraint('fence >= 0 AND attempts >= 0', name=op.f('order_counts_count_up')),
    sa.CheckConstraint('term IS NULL OR term > 0', name=op.f('order_term_is_days')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('order_account_id_fkey')),
    sa.ForeignKeyConstraint(['command_id'], ['command.id'], name=op.f('order_command_id_fkey')),
    sa.ForeignKeyConstraint(['key_id'], ['private_key.id'], name=op.f('order_key_id_fkey')),
    sa.ForeignKeyConstraint(['line_id'], ['line.id'], name=op.f('order_line_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('order_pkey')),
    sa.UniqueConstraint('command_id', name=op.f('order_command_id_key')),
    sa.UniqueConstraint('reference', name=op.f('order_reference_key'))
    )
    op.create_index('order_business_key_open', 'order', ['business_key'], unique=True, postgresql_where=sa.text("status IN ('held', 'issued', 'pending', 'placed', 'review', 'sending')"))
    op.create_index('order_scm_id_once', 'order', ['account_id', 'scm_id'], unique=True, postgresql_where=sa.text("kind <> 'reissue' AND scm_id IS NOT NULL"))
    op.create_index('order_status_updated', 'order', ['status', 'updated_at'], unique=False)
    op.create_table('certificate',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('order_id', sa.Text(), nullable=False),
    sa.Column('line_id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('key_id', sa.Text(), nullable=True),
    sa.Column('scm_id', sa.Integer(), nullable=False),
    sa.Column('status', sa.Enum('active', 'superseded', 'revoked', 'expired', name='certificatestatus_known', native_enum=False, create_constraint=True, length=16), nullable=False),
    sa.Column('common_name', sa.Text(), nullable=False),
    sa.Column('sans', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('serial_number', sa.Text(), nullable=False),
    sa.Column('sha256_fingerprint', sa.Text(), nullable=False),
    sa.Column('issuer', sa.Text(), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=False),
    sa.Column('not_after', sa.DateTime(timezone=True), nullable=False),
    sa.Column('key_algorithm', sa.Text(), nullable=False),
    sa.Column('key_size', sa.Text(), nullable=False),
    sa.Column('leaf', sa.Text(), nullable=False),
    sa.Column('issuers', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('keystore_type', sa.Text(), nullable=False),
    sa.Column('keystore_password_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('auto_renew', sa.Boolean(), nullable=False),
    sa.Column('renews_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('supersedes_id', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('not_after > not_before', name=op.f('certificate_lives_forwards')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('certificate_account_id_fkey')),
    sa.ForeignKeyConstraint(['key_id'], ['private_key.id'], name=op.f('certificate_key_id_fkey')),
    sa.ForeignKeyConstraint(['line_id'], ['line.id'], name=op.f('certificate_line_id_fkey')),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('certificate_order_id_fkey')),
    sa.ForeignKeyConstraint(['supersedes_id'], ['certificate.id'], name=op.f('certificate_supersedes_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('certificate_pkey')),
    sa.UniqueConstraint('account_id', 'scm_id', 'serial_number', name=op.f('certificate_account_id_scm_id_serial_number_key'))
    )
    op.create_index('certificate_expiry', 'certificate', ['status', 'not_after'], unique=False)
    op.create_index('certificate_serial', 'certificate', ['serial_number'], unique=False)
    op.create_foreign_key('order_certificate_id_fkey', 'order', 'certificate', ['certificate_id'], ['id'])

    # What happened stays as it was written.
    op.execute("""
        CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'events are only ever added';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
        FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only()
    """)

    op.execute("INSERT INTO license (id, capacity) VALUES (1, 1000)")
    # next_due now: a new line has never synced nor polled, so the first tick does both.
    op.execute("""
        INSERT INTO schedule (name, cron, tz, enabled, next_due) VALUES
            ('sync', '15 3 * * 0', 'UTC', true, now()),
            ('poll', '45 4 * * *', 'UTC', true, now()),
            ('sweep', '* * * * *', 'UTC', true, now())
    """)


def downgrade() -> None:
    """Take back."""
    op.drop_constraint('order_certificate_id_fkey', 'order')
    op.drop_index('certificate_serial', table_name='certificate')
    op.drop_index('certificate_expiry', table_name='certificate')
    op.drop_table('certificate')
    op.drop_index('order_status_updated', table_name='order')
    op.drop_index('order_scm_id_once', table_name='order', postgresql_where=sa.text("kind <> 'reissue' AND scm_id IS NOT NULL"))
    op.drop_index('order_business_key_open', table_name='order', postgresql_where=sa.text("status IN ('held', 'issued', 'pending', 'placed', 'review', 'sending')"))
    op.drop_table('order')
    op.drop_table('schedule_run')
    op.drop_table('profile')
    op.drop_table('organization')
    op.drop_index('line_managed', table_name='line', postgresql_where=sa.text('deleted_at IS NULL'))
    op.drop_table('line')
    op.drop_table('domain')
    op.drop_table('custom_field')
    op.drop_table('schedule')
    op.drop_table('private_key')
    op.drop_index('outbox_sent', table_name='outbox', postgresql_where=sa.text('sent_at IS NOT NULL'))
    op.drop_index('outbox_due', table_name='outbox', postgresql_where=sa.text('sent_at IS NULL AND parked_at IS NULL'))
    op.drop_table('outbox')
    op.drop_table('license')
    op.drop_index('event_subject', table_name='event')
    op.drop_table('event')
    op.execute('DROP FUNCTION event_is_append_only')
    op.drop_index('command_status_due', table_name='command')
    op.drop_index('command_open_step', table_name='command', postgresql_where=sa.text("type IN ('poll', 'fetch') AND status IN ('queued', 'running')"))
    op.drop_table('command')
    op.drop_table('account')
