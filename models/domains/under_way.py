"""Validations under way, by the entries of SCM's list that they cover, and by the provider that they use."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import Domain
from certline.models.commands.command import OPEN, Command
from certline.models.domains.validation import Validation, open_validations
from certline.models.host_names import at_and_above, same_host
from certline.models.states import CommandType

# An entry of SCM's list: the account's id, and SCM's.
EntryKey = tuple[int, int]


class ValidationsUnderWay:
    """Open validations, asked for the one that covers an entry: its domain's own, or one of a domain above it."""

    def __init__(self, rows: Iterable[Validation]) -> None:
        self._by_domain = {(row.account_id, row.domain): row for row in rows}

    def of(self, account_id: int, name: str) -> Validation | None:
        """Return the validation that covers an entry of this name, as SCM lists it, or None."""
        if not self._by_domain:
            return None
        names = at_and_above(same_host(name).removeprefix("*."))
        rows = (self._by_domain.get((account_id, each)) for each in names)
        return next((row for row in rows if row is not None), None)


def validations_under_way(db: Session) -> ValidationsUnderWay:
    """Load all validations that are under way."""
    return ValidationsUnderWay(open_validations(db))


def entries_under_way(db: Session, *, for_person: bool) -> list[EntryKey]:
    """Return the entries whose validation is under way, gone ones left out.

    `for_person`: only those that wait for a person.
    """
    rows = [row for row in open_validations(db) if row.needs_person or not for_person]
    going = ValidationsUnderWay(rows)
    query = select(Domain.account_id, Domain.scm_id, Domain.name).where(
        Domain.account_id.in_({row.account_id for row in rows}), Domain.gone_at.is_(None)
    )
    return [
        (account_id, scm_id)
        for account_id, scm_id, name in db.execute(query)
        if going.of(account_id, name) is not None
    ]


def domains_using(db: Session, provider: str) -> list[str]:
    """Return the domains whose validations use a provider: it has their proof, or was asked for; the oldest first.

    Those, too, whose validation was asked for with this provider and has not begun.
    """
    going = [row for row in open_validations(db) if row.dns == provider]
    begun = {row.command_id for row in going}
    waiting = (
        select(Command.id, Command.subject)
        .where(
            Command.type == CommandType.VALIDATE,
            Command.status.in_(OPEN),
            Command.payload["dns"].as_string() == provider,
        )
        .order_by(Command.created_at, Command.id)
    )
    later = [subject for own_id, subject in db.execute(waiting) if own_id not in begun]
    return list(dict.fromkeys([row.domain for row in going] + [name for name in later if name]))
