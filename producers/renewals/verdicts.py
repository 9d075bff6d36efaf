"""Checks of many renewals before they are requested: which certificates can be renewed, and why not the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from certline.models import Certificate, Database, Order
from certline.models.commands.payloads import RenewCommand, read_payload
from certline.models.orders.checks import Offer
from certline.models.validation import BadCommandError
from certline.workers.ordering.succession import plan

# Certificates checked in one transaction: few, because checking locks their lines.
PIECE = 100


@dataclass(frozen=True)
class BatchVerdict:
    """The result of checking a renewal: without `problems` it can be done. `going`: a renewal of the certificate
    that is open already; its order is used instead of a new one. `key`: the kind of the new key.
    """

    certificate: Certificate
    problems: list[str]
    warnings: list[str]
    going: Order | None = None
    key: str | None = None


def renew_command(
    certificate: Certificate,
    reuse_key: bool,  # as in the command
    *,
    again: bool = False,
    key: tuple[str | None, str | None] = (None, None),
) -> RenewCommand:
    """Return the command that renews a certificate. `key`: algorithm and size of the new key, None as before.

    Raises BadCommandError if the choices exclude each other.
    """
    algorithm, size = key
    data = {"certificate": certificate.id, "reuse_key": reuse_key, "again": again}
    return read_payload(RenewCommand, data | {"key_algorithm": algorithm, "key_size": size})


def judge_many(
    database: Database,
    certificates: Sequence[Certificate],
    *,
    reuse_key: bool = False,
    again: bool = False,
    key: tuple[str | None, str | None] = (None, None),
) -> list[BatchVerdict]:
    """Check each renewal without placing it. Returns a verdict per certificate, in their order.

    `key`: algorithm and size of the new keys, None as before.
    """
    wanted = [(each, renew_command(each, reuse_key, again=again, key=key)) for each in certificates]
    offers: dict[int, Offer] = {}
    verdicts = []
    for begin in range(0, len(wanted), PIECE):
        with database.transaction() as db:
            verdicts += [_judge(db, *each, offers) for each in wanted[begin : begin + PIECE]]
    return verdicts


def _judge(
    db: Session, certificate: Certificate, wanted: RenewCommand, offers: dict[int, Offer]
) -> BatchVerdict:
    try:
        planned = plan(db, wanted, offers)
    except BadCommandError as bad:
        return BatchVerdict(certificate, bad.problems, [])
    key = f"{planned.wanted.key_algorithm} {planned.wanted.key_size}"
    return BatchVerdict(certificate, [], planned.checked.warnings, planned.going, key)
