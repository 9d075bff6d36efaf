"""Cancelled batches: members of many renewals that were given up before their turn."""

from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

TABLE = 'renewal_member'


def upgrade() -> None:
    """Apply."""
    op.drop_constraint(op.f('renewal_member_refused_with_a_reason'), TABLE)
    _allow(('waiting', 'released', 'refused', 'cancelled'))
    _rule('given_up_with_a_reason', "(status IN ('refused', 'cancelled')) = (reason IS NOT NULL)")


def downgrade() -> None:
    """Take back; what was cancelled counts as refused."""
    op.drop_constraint(op.f('renewal_member_given_up_with_a_reason'), TABLE)
    op.execute("UPDATE renewal_member SET status = 'refused' WHERE status = 'cancelled'")
    _allow(('waiting', 'released', 'refused'))
    _rule('refused_with_a_reason', "(status = 'refused') = (reason IS NOT NULL)")


def _allow(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f('renewal_member_memberstatus_known'), TABLE)
    known = ', '.join(f"'{state}'" for state in states)
    _rule('memberstatus_known', f'status IN ({known})')


def _rule(name: str, text: str) -> None:
    op.create_check_constraint(op.f(f'renewal_member_{name}'), TABLE, text)
