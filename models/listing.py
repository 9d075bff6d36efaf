"""Queries of the list commands, paged by key instead of by offset, so that every page costs the same.

Each table's module declares the indexes; tests/integration/models/test_listing.py checks that Postgres uses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, defaultload, defer

from certline.models.database.patterns import escaped, like, matches
from certline.models.names import folded
from certline.models.states import CertificateStatus, CommandType
from certline.models.validation import column_integer

if TYPE_CHECKING:
    from sqlalchemy.orm import DeclarativeBase

    from certline.models.accounts.catalogue import Organization, Profile
    from certline.models.audit.log import AuditEntry
    from certline.models.certificates.certificate import Certificate
    from certline.models.commands.command import Command
    from certline.models.commands.dead_letter import DeadLetter
    from certline.models.orders.order import Order

Row = TypeVar("Row", bound="DeclarativeBase")


@dataclass(frozen=True)
class Sorting:
    """A sort order backed by an index. No key column is nullable, and the last one is the row's id.

    Paging depends on both: nulls don't compare, and the id makes each position unique. `groups`: statuses; the
    rows of the first one come before those of the second, and so on.
    """

    keys: tuple[str, ...]
    descending: bool = False
    groups: tuple[str, ...] = ()

    def reversed(self) -> Sorting:
        """Return the opposite sort order."""
        return Sorting(self.keys, not self.descending, self.groups[::-1])


@dataclass(frozen=True)
class Narrowing:
    """Filters of a list; one that has its default value does not apply.

    `name` is a pattern for the common name (`*` matches any characters), `any_name` one for the common name or
    a further name of a certificate. `organizations` and `profiles` are SCM's ids; unlike None, an empty sequence
    of these matches no row. `issuer` is a part of the issuing CA's name, `*` allowed.
    """

    statuses: Sequence[str] = ()
    account_id: int | None = None
    organizations: Sequence[int] | None = None
    profiles: Sequence[int] | None = None
    name: str | None = None
    any_name: str | None = None
    expires_within: timedelta | None = None
    ends_from: datetime | None = None
    ends_before: datetime | None = None
    issuer: str | None = None
    types: Sequence[str] = ()
    subject: str | None = None
    key_lost: bool = False


# By table name; the first sorting of each table is its default.
SORTINGS: dict[str, dict[str, Sorting]] = {
    "order": {
        "created": Sorting(("id",), descending=True),  # ULIDs sort by their time of creation
        "changed": Sorting(("updated_at", "id"), descending=True),
        "name": Sorting(("common_name", "id")),
    },
    "certificate": {
        "status": Sorting(
            ("not_after", "id"), groups=("active", "expired", "revoked", "superseded")
        ),
        "expires": Sorting(("not_after", "id")),
        "name": Sorting(("common_name", "id")),
        "stored": Sorting(("id",), descending=True),
    },
    "command": {"created": Sorting(("created_at", "id"), descending=True)},
    "dead_letter": {"came": Sorting(("id",), descending=True)},
    "event": {"time": Sorting(("at", "id"), descending=True)},
}


def page(
    db: Session, question: Select[Row], sorting: Sorting, *, after: Row | None, limit: int
) -> list[Row]:
    """Load one page of a list, at most `limit` rows. `after`: the last row of the page before, or None."""
    if not sorting.groups:
        return list(db.scalars(paged(question, sorting, after=after, limit=limit)))
    # A query for each status. In one query for all, Postgres would estimate the rows that are left by the
    # status of `after` alone, and so choose slow plans.
    found: list[Row] = []
    first = 0 if after is None else sorting.groups.index(after.status)  # type: ignore[attr-defined]  # grouped by it
    for status in sorting.groups[first:]:
        left = limit - len(found)
        if left:
            of_status = in_group(question, status)
            found += db.scalars(paged(of_status, sorting, after=after, limit=left))
        after = None
    return found


def in_group(question: Select[Row], status: str) -> Select[Row]:
    """Return the query for the rows with a status."""
    table: type[Row] = question.column_descriptions[0]["entity"]
    return question.where(table.status == status)  # type: ignore[attr-defined]  # only tables that have one


def paged(question: Select[Row], sorting: Sorting, *, after: Row | None, limit: int) -> Select[Row]:
    """Return the query of one page (see `page`)."""
    table: type[Row] = question.column_descriptions[0]["entity"]
    keys = [getattr(table, name) for name in sorting.keys]
    if after is not None:
        last = tuple_(
            *(literal(getattr(after, name), getattr(table, name).type) for name in sorting.keys)
        )
        here = tuple_(*keys)
        # One row comparison, not a chain of ANDs and ORs: Postgres starts reading the index at that key.
        question = question.where(here < last if sorting.descending else here > last)
    in_order = [key.desc() if sorting.descending else key.asc() for key in keys]
    return question.order_by(*in_order).limit(limit)


def count(db: Session, question: Select[Row], *, most: int) -> int:
    """Return the number of rows of a list; counting stops at `most`."""
    table: type[Row] = question.column_descriptions[0]["entity"]
    ids = question.with_only_columns(table.id).limit(most)  # type: ignore[attr-defined]  # listed tables have one
    return db.scalar(select(func.count()).select_from(ids.subquery())) or 0


def orders_listed(wanted: Narrowing) -> Select[Order]:
    """Return the query for orders, without their CSRs, keystore passwords and their accounts' secrets."""
    from certline.models.accounts.account import Account
    from certline.models.orders.order import Order

    question = select(Order).options(
        defer(Order.csr, raiseload=True),
        defer(Order.keystore_password_sealed, raiseload=True),
        defer(Order.business_key, raiseload=True),
        defaultload(Order.account).options(
            defer(Account.secret_sealed, raiseload=True),
            defer(Account.client_certificate, raiseload=True),
        ),
    )
    return _narrowed(question, wanted, Order)


def certificates_listed(wanted: Narrowing) -> Select[Certificate]:
    """Return the query for certificates, without their PEM texts and keystore passwords."""
    from certline.models.certificates.certificate import WITHOUT_PEM, Certificate

    question = select(Certificate).options(
        *WITHOUT_PEM,
        defer(Certificate.keystore_password_sealed, raiseload=True),
    )
    if wanted.expires_within is not None:
        question = question.where(
            Certificate.not_after <= func.now() + wanted.expires_within,
            Certificate.status == CertificateStatus.ACTIVE,
        )
    if wanted.ends_from is not None:
        question = question.where(Certificate.not_after >= wanted.ends_from)
    if wanted.ends_before is not None:
        question = question.where(Certificate.not_after < wanted.ends_before)
    if wanted.key_lost:
        question = question.where(
            Certificate.key_lost, Certificate.status == CertificateStatus.ACTIVE
        )
    if wanted.issuer is not None:
        question = question.where(Certificate.issuer.ilike(_part(wanted.issuer), escape="\\"))
    if wanted.any_name is not None:
        pattern = wanted.any_name.lower()
        further = func.unnest(Certificate.sans).column_valued("further")
        question = question.where(
            or_(
                Certificate.common_name.like(escaped(pattern), escape="\\"),
                exists().where(further.like(escaped(pattern), escape="\\")),
            )
        )
    return _narrowed(question, wanted, Certificate)


def commands_listed(wanted: Narrowing) -> Select[Command]:
    """Return the query for commands, without their payloads.

    Webhook deliveries and the sending of notices are left out unless a type or a subject is named.
    """
    from certline.models.commands.command import Command

    question = select(Command).options(defer(Command.payload, raiseload=True))
    if wanted.statuses:
        question = question.where(Command.status.in_(wanted.statuses))
    if wanted.types:
        question = question.where(Command.type.in_(wanted.types))
    if wanted.subject is not None:
        question = question.where(Command.subject == wanted.subject)
    if not wanted.types and wanted.subject is None:
        question = question.where(Command.type.not_in((CommandType.WEBHOOK, CommandType.NOTIFY)))
    return question


def dead_letters_listed(wanted: Narrowing) -> Select[DeadLetter]:
    """Return the query for dead letters, without their bodies."""
    from certline.models.commands.dead_letter import DeadLetter

    question = select(DeadLetter).options(defer(DeadLetter.body_sealed, raiseload=True))
    return question.where(DeadLetter.status.in_(wanted.statuses)) if wanted.statuses else question


def events_listed(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    who: str | None = None,
    types: Sequence[str] = (),
    subject: str | None = None,
) -> Select[AuditEntry]:
    """Return the query for audit entries from `since` (inclusive) to `until` (exclusive).

    `*` in a type matches any characters.
    """
    from certline.models.audit.log import AuditEntry

    question = select(AuditEntry)
    if since is not None:
        question = question.where(AuditEntry.at >= since)
    if until is not None:
        question = question.where(AuditEntry.at < until)
    if who is not None:
        question = question.where(AuditEntry.who == who)
    if types:
        question = question.where(or_(*(_typed(kind) for kind in types)))
    return question if subject is None else question.where(AuditEntry.subject == subject)


def ids_named(
    db: Session, table: type[Organization] | type[Profile], name: str, account_id: int | None
) -> list[int]:
    """Return SCM's ids of the organisations or profiles with that name, including ones deleted at SCM.

    Names are compared `folded`. A name of digits is taken for an id and returned as it is.
    """
    if name.isascii() and name.isdecimal():
        number = column_integer(name)
        return [] if number is None else [number]
    query = select(table.scm_id, table.name).distinct()
    if account_id is not None:
        query = query.where(table.account_id == account_id)
    wanted = folded(name)
    return sorted({row.scm_id for row in db.execute(query) if folded(row.name) == wanted})


def _narrowed(
    question: Select[Row], wanted: Narrowing, table: type[Order] | type[Certificate]
) -> Select[Row]:
    if wanted.statuses:
        question = question.where(table.status.in_(wanted.statuses))
    if wanted.account_id is not None:
        question = question.where(table.account_id == wanted.account_id)
    if wanted.organizations is not None:
        question = question.where(table.organization_id.in_(wanted.organizations))
    if wanted.profiles is not None:
        question = question.where(table.profile_id.in_(wanted.profiles))
    if wanted.name is not None:
        question = question.where(*like(table.common_name, wanted.name))
    return question


def _typed(kind: str) -> ColumnElement[bool]:
    from certline.models.audit.log import AuditEntry

    return matches(AuditEntry.type, kind) if "*" in kind else AuditEntry.type == kind


def _part(text: str) -> str:
    """Return the SQL pattern that matches every text containing this one."""
    return f"%{escaped(text)}%"
