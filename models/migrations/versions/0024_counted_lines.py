"""The number of managed lines, kept in the licence's row: counting them costs each new order a scan of all."""

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

# One function for each kind of change, since a trigger for several has no transition tables.
CHANGES = {
    'INSERT': ('REFERENCING NEW TABLE AS after', 'SELECT count(*) FROM after WHERE deleted_at IS NULL'),
    'UPDATE': (
        'REFERENCING OLD TABLE AS before NEW TABLE AS after',
        'SELECT (SELECT count(*) FROM after WHERE deleted_at IS NULL)'
        ' - (SELECT count(*) FROM before WHERE deleted_at IS NULL)',
    ),
    'DELETE': ('REFERENCING OLD TABLE AS before', 'SELECT -count(*) FROM before WHERE deleted_at IS NULL'),
}


def upgrade() -> None:
    """Apply; the lines that there are get counted once."""
    op.add_column('license', sa.Column('used', sa.BigInteger(), server_default='0', nullable=False))
    for change, (tables, difference) in CHANGES.items():
        name = f'line_counted_at_{change.lower()}'
        op.execute(f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE more bigint := ({difference});
            BEGIN
                IF more <> 0 THEN
                    UPDATE license SET used = used + more;
                END IF;
                RETURN NULL;
            END $$""")
        op.execute(f"""CREATE TRIGGER {name} AFTER {change} ON line {tables}
            FOR EACH STATEMENT EXECUTE FUNCTION {name}()""")
    op.execute('UPDATE license SET used = (SELECT count(*) FROM line WHERE deleted_at IS NULL)')


def downgrade() -> None:
    """Take back."""
    for change in CHANGES:
        name = f'line_counted_at_{change.lower()}'
        op.execute(f'DROP TRIGGER {name} ON line')
        op.execute(f'DROP FUNCTION {name}()')
    op.drop_column('license', 'used')
