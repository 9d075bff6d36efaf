"""Checks of many renewals before they are requested: which certificates can be renewed, and why not the others."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

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


@dataclass(frozen=True)
class RenewalChoices:
    """What a user chooses for renewals; the fields are those of the command. None: the key's kind as before."""

    reuse_key: bool = False
    again: bool = False
    without_other_names: bool = False
    key_algorithm: str | None = None
    key_size: str | None = None

    def command(self, certificate: Certificate) -> RenewCommand:
        """Return the command that renews a certificate so.

        Raises BadCommandError if the choices exclude each other.
        """
        return read_payload(RenewCommand, {"certificate": certificate.id, **asdict(self)})


AS_BEFORE = RenewalChoices()


def judge_many(
    database: Database, certificates: Sequence[Certificate], choices: RenewalChoices = AS_BEFORE
) -> list[BatchVerdict]:
    """Check each renewal without placing it. Returns a verdict per certificate, in their order."""
    wanted = [(each, choices.command(each)) for each in certificates]
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
