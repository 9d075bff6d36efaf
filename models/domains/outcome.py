"""Ends of a validation: what is stored, recorded and published when one is completed, not needed or has failed."""

from datetime import UTC, date
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.accounts.catalogue import Domain
from certline.models.audit.identity import WORKER, Identity
from certline.models.audit.log import record
from certline.models.database.session import clock
from certline.models.domains.scope import covers
from certline.models.domains.validation import Validation, go_on
from certline.models.events.base import EventData
from certline.models.events.domain_data import DomainValidationFailed, DomainValidationWaiting
from certline.models.events.outbox import emit_event
from certline.models.schedule import make_due
from certline.models.states import ValidationOutcome, ValidationStage

# Name of the schedule that renews.
AUTO_RENEW_SCHEDULE = "auto-renew"


def complete(
    db: Session, row: Validation, expires: date | None, validated_on: date | None = None
) -> None:
    """Store that a domain is validated, for it and all domains below it, and let the renewals go on.

    `validated_on`: when, as SCM says; today if it does not say.
    """
    row.outcome, row.said = ValidationOutcome.VALIDATED, None
    _found(db, row, expires, validated_on)
    go_on(db, row)


def complete_cancelled(
    db: Session, row: Validation, expires: date | None, validated_on: date | None
) -> None:
    """Store that a domain is validated all the same: the CA had found the proof as a person cancelled it.

    The validation stays cancelled, and so does its command; its proof is taken away next.
    """
    _found(db, row, expires, validated_on, why="the CA had found the proof already")


def _found(
    db: Session,
    row: Validation,
    expires: date | None,
    validated_on: date | None,
    why: str | None = None,
) -> None:
    row.expires = expires
    _note_validated(db, row, validated_on or clock(db).astimezone(UTC).date())
    note_validation(db, row, "domain.validated", why=why, expires=_day(expires))
    # So that renewals which waited for the validation do not wait for the next day.
    make_due(db, AUTO_RENEW_SCHEDULE)


def not_needed(
    db: Session, row: Validation, expires: date | None, validated_on: date | None = None
) -> None:
    """Store that the present validation of a domain lasts long enough. `validated_on`: since when, as SCM says."""
    row.outcome, row.expires = ValidationOutcome.NOT_NEEDED, expires
    _note_validated(db, row, validated_on)
    note_validation(db, row, "domain.validation_not_needed", expires=_day(expires))
    go_on(db, row)


def fail_validation(db: Session, row: Validation, why: str) -> None:
    """Store that a validation has failed, and publish it. What it has put in place is taken away next."""
    _fail(db, row, why)
    note_validation(db, row, "domain.validation_failed", why=why)
    go_on(db, row)


def cancel_validation(db: Session, row: Validation, why: str, who: Identity) -> None:
    """Store that a person has cancelled a validation, and publish it as one that has failed.

    Nothing is taken away here: that is the next stage, a worker's. While the proof is being put in place it is
    unknown whether it is there, since a killed worker may have written it, so that stage has to find out.
    """
    _fail(db, row, why)
    note_validation(db, row, "domain.validation_cancelled", who=who, why=why)
    if row.stage is not ValidationStage.PUBLISH:
        go_on(db, row)


def _fail(db: Session, row: Validation, why: str) -> None:
    row.outcome, row.error = ValidationOutcome.FAILED, why
    event = DomainValidationFailed(
        domain=row.domain,
        account=_account_name(db, row),
        method=row.method,
        validation_id=row.id,
        expires=_day(row.before),
        reason=why,
    )
    _emit(db, row, event)


def tell_waiting(db: Session, row: Validation) -> None:
    """Publish which record or file a person has to make."""
    event = DomainValidationWaiting(
        domain=row.domain,
        account=_account_name(db, row),
        method=row.method,
        validation_id=row.id,
        record=row.proof_name or "",
        value=row.proof_value or "",
    )
    _emit(db, row, event)


def note_validation(
    db: Session,
    row: Validation,
    action: str,
    *,
    who: Identity = WORKER,
    why: str | None = None,
    **facts: str | None,
) -> None:
    """Write the audit entry of what was done for a validation."""
    record(
        db,
        action,
        row.domain,
        who=who,
        why=why,
        command_id=row.command_id,
        validation_id=row.id,
        method=row.method.value,
        **facts,
    )


def result_of(row: Validation, account: str) -> dict[str, Any]:
    """Return the result of a command whose validation has ended well."""
    return {
        "validation_id": row.id,
        "domain": row.domain,
        "account": account,
        "method": row.method.value,
        "expires": _day(row.expires),
        "renewed": row.outcome is ValidationOutcome.VALIDATED,
        "said": row.said,
    }


def _note_validated(db: Session, row: Validation, validated_on: date | None) -> None:
    """Store in the catalogue what SCM says, so that no renewal waits for the next sync to see it.

    `validated_on`: None leaves the day that is stored.
    """
    names = select(Domain.scm_id, Domain.name).filter_by(account_id=row.account_id, gone_at=None)
    covered = [scm_id for scm_id, name in db.execute(names) if covers(row.domain, name)]
    db.execute(
        update(Domain)
        .where(Domain.account_id == row.account_id, Domain.scm_id.in_(covered))
        .values(
            validation_status="VALIDATED",
            validation_expires=row.expires,
            validated_on=func.coalesce(validated_on, Domain.validated_on),
        )
    )


def _emit(db: Session, row: Validation, event: EventData) -> None:
    emit_event(db, event, subject=row.domain, correlation_id=row.command_id)


def _account_name(db: Session, row: Validation) -> str:
    return db.scalars(select(Account.name).where(Account.id == row.account_id)).one()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
