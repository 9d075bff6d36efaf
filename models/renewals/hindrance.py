"""The reason why a certificate was not renewed last, in words for an operator."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.certificates.backoff import LineBackoff
from certline.models.certificates.certificate import Certificate
from certline.models.commands.command import Command
from certline.models.renewals.plan import successions
from certline.models.renewals.runs import last_decisions
from certline.models.states import RENEWABLE, CommandStatus, Decision


@dataclass(frozen=True)
class Hindrance:
    """The reason why a certificate was not renewed, and when that was found."""

    reason: str
    at: datetime


def last_hindrance(db: Session, certificate: Certificate) -> Hindrance | None:
    """Return why the certificate was not renewed when that was last tried or due; None if nothing hinders it.

    A failed renewal counts before a decision of auto-renewal, because it is what the decision refers to.
    """
    if certificate.status not in RENEWABLE:
        return None
    if successions(db, {certificate.id: certificate.line_id}):
        return None  # it is being renewed
    failed = db.scalars(
        select(LineBackoff).where(LineBackoff.line_id == certificate.line_id)
    ).first()
    if failed is not None:
        return Hindrance(failed.reason, failed.failed_at)
    decided = last_decisions(db, [certificate.id]).get(certificate.id)
    if decided is None:
        return None
    if decided.decision in (Decision.REFUSED, Decision.HELD):
        return Hindrance(decided.reason or decided.decision.value, decided.decided_at)
    failure = select(Command.error, Command.finished_at).where(
        Command.id == decided.command_id, Command.status == CommandStatus.FAILED
    )
    for error, at in db.execute(failure):
        if error:
            return Hindrance(error, at or decided.decided_at)
    return None
