"""The order or certificate that a command of a sender is about, and whether the sender may do anything with it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate, certificate_meant
from certline.models.commands.payloads import ReissueCommand, RenewCommand
from certline.models.orders.order import Order, order_known_as
from certline.models.senders.limits import organizations_allowed
from certline.models.senders.names import not_covered
from certline.models.senders.ownership import owners_of
from certline.models.senders.sender import Sender
from certline.models.states import OrderKind
from certline.models.validation import BadCommandError


def certificate_of_his(
    db: Session, sender: Sender, name: str, account: str | None, *, line: bool = False
) -> dict[str, str]:
    """Return the id of the certificate that a command names, to be pinned. `line`: the whole line is meant.

    Raises BadCommandError if it is unknown or not the sender's.
    """
    try:
        found = certificate_meant(db, name, account)
    except BadCommandError:  # unknown, ambiguous or of another account
        raise _not_yours(sender, "certificate", name) from None
    about = Order.line_id == found.line_id if line else Order.id == found.order_id
    orders = list(db.scalars(select(Order).where(about)))
    names = [found.common_name, *found.sans, *found.other_names]
    if line:
        rows = select(Certificate.common_name, Certificate.sans, Certificate.other_names).where(
            Certificate.line_id == found.line_id
        )
        names = [each for row in db.execute(rows) for each in (row[0], *row[1], *row[2])]
    if not orders or not _are_his(db, sender, orders, names):
        raise _not_yours(sender, "certificate", name)
    return {"certificate": found.id}


def before_recovered(
    db: Session, wanted: RenewCommand | ReissueCommand, own_id: str
) -> dict[str, str]:
    """Return the id of the certificate that a renewal or reissue is for, to be pinned, given the one it names.

    After a restore a common name finds the successor that a recovery has taken in. The very same command may have
    led to it: then its predecessor is meant, and the command's step is answered with what was found.
    """
    found = db.get_one(Certificate, own_id)
    order = db.get_one(Order, found.order_id)
    is_reissue = isinstance(wanted, ReissueCommand)
    older = found.supersedes_id
    may_be_its_own = (
        order.recovered_at is not None
        and order.command_id is None
        and (order.kind is OrderKind.REISSUE) is is_reissue
        and wanted.certificate.lower() == found.common_name
    )
    return {"certificate": older if older is not None and may_be_its_own else found.id}


def order_of_his(
    db: Session, sender: Sender, name: str | None, account: str | None
) -> dict[str, str]:
    """Return the id of the order that a command names, to be pinned.

    Raises BadCommandError if it is unknown or not the sender's.
    """
    try:
        found = order_known_as(db, name or "", account)
    except BadCommandError:  # an sslId of several accounts
        found = None
    if (
        found is None
        or account not in (None, found.account.name)
        or not _are_his(db, sender, [found], [])
    ):
        raise _not_yours(sender, "order", name or "")
    return {"order": found.id}


def _are_his(db: Session, sender: Sender, orders: Sequence[Order], names: Sequence[str]) -> bool:
    """Return True if all orders, and the further names, are within the sender's limits."""
    all_names = [*names, *(name for order in orders for name in order.names)]
    if not_covered(sender.names, all_names):
        return False
    accounts = {order.account_id: order.account for order in orders}
    if sender.accounts and any(each.name not in sender.accounts for each in accounts.values()):
        return False
    if sender.organizations:
        allowed = {own_id: organizations_allowed(db, sender, own_id) for own_id in accounts}
        if any(order.organization_id not in allowed[order.account_id] for order in orders):
            return False
    if not sender.own_only:
        return True
    owners = owners_of(db, [order.id for order in orders])
    return all(sender.name in owners[order.id] for order in orders)


def _not_yours(sender: Sender, noun: str, name: str) -> BadCommandError:
    whose = f"the sender {sender.name!r}"
    problem = (
        f"{noun}: {name[:100]!r} names none that {whose} may do this with, or several (use the id)"
    )
    return BadCommandError([problem])
