"""Three ways to log in: password, client certificate, token."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: every account so far has a password."""
    op.alter_column('account', 'password_sealed', new_column_name='secret_sealed')
    _rename_not_null('account_password_sealed_not_null', 'account_secret_sealed_not_null')
    op.alter_column('account', 'customer_uri', nullable=True)
    op.add_column('account', sa.Column('login_kind', sa.Enum('password', 'certificate', 'token', name='loginkind_known', native_enum=False, create_constraint=True, length=16), nullable=False, server_default='password'))
    op.alter_column('account', 'login_kind', server_default=None)
    op.add_column('account', sa.Column('client_certificate', sa.Text(), nullable=True))
    op.add_column('account', sa.Column('token_url', sa.Text(), nullable=True))
    op.create_check_constraint(op.f('account_customer_unless_token'), 'account', "login_kind = 'token' OR customer_uri IS NOT NULL")
    op.create_check_constraint(op.f('account_certificate_of_its_kind'), 'account', "(login_kind = 'certificate') = (client_certificate IS NOT NULL)")


def downgrade() -> None:
    """Take back; refused where an account has no customer URI."""
    op.drop_constraint(op.f('account_certificate_of_its_kind'), 'account')
    op.drop_constraint(op.f('account_customer_unless_token'), 'account')
    op.drop_column('account', 'token_url')
    op.drop_column('account', 'client_certificate')
    op.drop_column('account', 'login_kind')
    op.alter_column('account', 'customer_uri', nullable=False)
    op.alter_column('account', 'secret_sealed', new_column_name='password_sealed')
    _rename_not_null('account_secret_sealed_not_null', 'account_password_sealed_not_null')


def _rename_not_null(old: str, new: str) -> None:
    # Since Postgres 18 NOT NULL has a name, which does not follow the column's; before, it has none.
    op.execute(f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_constraint WHERE conname = '{old}' AND conrelid = 'account'::regclass) THEN
                ALTER TABLE account RENAME CONSTRAINT {old} TO {new};
            END IF;
        END $$""")
