"""Attendance: what is being done about the validation of each domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.commands.command import OPEN
from certline.models.domains.validation import Validation, open_validations
from certline.models.public.command import PublicCommand
from certline.models.states import CommandType

if TYPE_CHECKING:
    from certline.models.events.domain_data import ValidationCare  # pydantic: 100 ms


@dataclass(frozen=True)
class Attendance:
    """State of the work on a domain's validation. `begins`: when a planned validation begins."""

    care: ValidationCare = "nothing"
    validation: Validation | None = None
    begins: datetime | None = None

    def __str__(self) -> str:
        if self.validation is not None:
            return f"under way ({self.validation.stage})"
        if self.begins is not None:
            return f"planned, {self.begins:%Y-%m-%d}"
        return self.care


UNATTENDED = Attendance()


def attendances(db: Session) -> dict[tuple[int, str], Attendance]:
    """Return what is being done, by account id and domain; a domain about which nothing is done is left out."""
    found: dict[tuple[int, str], Attendance] = {}
    asked = (
        select(Account.id, PublicCommand.subject, func.min(PublicCommand.not_before))
        .join(Account, Account.name == PublicCommand.payload["account"].as_string())
        .where(PublicCommand.type == CommandType.VALIDATE, PublicCommand.status.in_(OPEN))
        .group_by(Account.id, PublicCommand.subject)
    )
    for account_id, domain, begins in db.execute(asked):
        if domain is not None:
            found[account_id, domain] = Attendance("planned", begins=begins)
    for row in open_validations(db):
        found[row.account_id, row.domain] = Attendance("open", row)
    return found
