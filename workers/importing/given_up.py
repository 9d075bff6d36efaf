"""Records of orders that were given up before their sslId was known: no import takes them in again."""

from collections.abc import Sequence

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Order
from certline.models.imports.record import Outcome, RecordStatus
from certline.models.orders.reconciliation import Match
from certline.workers.importing.record_mapping import Met
from certline.workers.keys.key_pair import public_key_sha256
from certline.workers.ordering.reference import reference_in_comment


def leave_given_up(db: Session, account_id: int, found: Sequence[Met]) -> list[Outcome]:
    """Store the sslId and status of records that certainly are orders given up here, and return their outcomes.

    Such an order keeps its status: the operator has decided to leave its record at SCM.
    """
    names = {met.details.common_name.strip().lower() for met in found}
    query = select(Order).where(
        Order.account_id == account_id,
        Order.common_name.in_(names),
        Order.given_up,
        Order.scm_id.is_(None),
    )
    given_up = list(db.scalars(query.with_for_update(of=Order)))
    outcomes = []
    for met in found if given_up else ():
        order = next((each for each in given_up if _is_of(met, each)), None)
        if order is not None:
            given_up.remove(order)
            order.scm_id, order.scm_status = met.scm_id, met.details.status or None
            outcomes.append(Outcome(met.scm_id, RecordStatus.KNOWN))
    db.flush()
    return outcomes


def _is_of(met: Met, order: Order) -> bool:
    if reference_in_comment(order) in met.details.comments:
        return True
    if any(
        each["scm_id"] == met.scm_id and each.get("match") == Match.SURE.value
        for each in order.found
    ):
        return True
    if met.leaf is None or order.public_key_sha256 is None:
        return False
    leaf = x509.load_pem_x509_certificate(met.leaf["leaf"].encode())
    return public_key_sha256(leaf.public_key()) == order.public_key_sha256
