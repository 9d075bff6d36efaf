"""Map a record at SCM to an order of ours, field by field, for imports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from certline.models import OrderKind, OrderStatus
from certline.models.audit.identity import name_at_scm
from certline.models.certificates.lineage import Family, family_of
from certline.models.database.base import new_id
from certline.workers.ordering.reference import LONGEST_COMMENT
from certline.workers.scm import Details, ScmStatus

# Id and name stored if SCM gives no organisation or profile, as for certificates that it only discovered.
NONE, NONE_NAMED = 0, "(none)"
# Days. SCM's terms are far shorter; a larger number is taken for a mistake and not stored.
LONGEST_TERM = 36_500
# Largest number that our columns for SCM's ids hold; SCM's own ids have 32 bits too.
LARGEST_ID = 2**31 - 1
AUTO_RENEWS = frozenset({"scheduled", "started"})


class UnusableRecordError(Exception):
    """A record that can't be stored as an order; the text says why."""


@dataclass(frozen=True)
class Met:
    """A record read from SCM.

    `leaf`: the columns of its certificate, if that was collected. `fault`: why it can't be collected or read.
    `reported`: the details are what the report says, which doesn't know whether it was renewed.
    """

    details: Details
    leaf: Mapping[str, Any] | None = None
    fault: str | None = None
    reported: bool = False

    @property
    def scm_id(self) -> int:
        """SCM's id of the record (sslId)."""
        return self.details.ssl_id


def status_of(details: Details, today: date) -> OrderStatus:
    """Return the status that an imported order gets for the record's status at SCM.

    An unknown status counts as pending: the order is polled, and never mistaken for a success.
    """
    state = details.state
    if state.is_refused:
        return OrderStatus.REJECTED
    if state.is_gone or state is ScmStatus.UNMANAGED:
        return OrderStatus.CANCELLED
    if state.is_issued:
        # SCM's days have no time zone, so a certificate counts as valid on its last day.
        over = details.expires is not None and details.expires < today
        return OrderStatus.CANCELLED if over else OrderStatus.ISSUED
    return OrderStatus.PENDING


def why_over(details: Details) -> str:
    """Return the reason why there is no certificate to fetch, with the day of that change if known."""
    day = {
        ScmStatus.REVOKED: details.revoked,
        ScmStatus.REPLACED: details.replaced,
        ScmStatus.DECLINED: details.declined,
        ScmStatus.EXPIRED: details.expires,
        ScmStatus.ISSUED: details.expires,  # expired, but not yet marked so by SCM
    }.get(details.state)
    return f"SCM's status is {details.status}" + (f" ({day})" if day else "")


def names_of(details: Details) -> list[str]:
    """Return all names in lower case, the common name first, each once.

    Raises UnusableRecordError if the record has no name.
    """
    names = [name.lower() for name in (details.common_name.strip(), *details.sans) if name]
    if not names:
        raise UnusableRecordError("SCM gives no common name")
    return list(dict.fromkeys(names))


def family_of_record(details: Details) -> Family:
    """Return the family (names, organisation, profile) that the record shares with its renewals.

    Raises UnusableRecordError if the record has no name.
    """
    return family_of(names_of(details), details.org_id or NONE, details.profile_id or NONE)


def auto_renews(details: Details) -> bool:
    """Return True if SCM renews the certificate automatically."""
    return details.auto_renew_state.strip().lower() in AUTO_RENEWS


def columns(
    details: Details, account_id: int, organizations: Mapping[int, str], now: datetime
) -> dict[str, Any]:
    """Return the columns of the imported order, except its status and line.

    Requester and creation time are those at SCM (else "SCM" and `now`). `organizations`: names by SCM id.
    Raises UnusableRecordError if the record has no name, or an id above LARGEST_ID.
    """
    common_name, *sans = names_of(details)
    numbers = (details.ssl_id, details.org_id or 0, details.profile_id or 0)
    if max(numbers) > LARGEST_ID:
        raise UnusableRecordError(f"SCM's ids {numbers} are larger than certline can store")
    algorithm, size = _key_of(details.key_type)
    term = details.term or 0
    return {
        "id": new_id(),
        "account_id": account_id,
        "kind": OrderKind.IMPORT,
        "scm_id": details.ssl_id,
        "scm_status": details.status or None,
        "scm_serial": details.serial_number,
        "scm_renewed": details.renewed,
        "scm_auto_renew": auto_renews(details),
        "business_key": f"import {account_id} {details.ssl_id}",
        "reference": new_id(),
        "common_name": common_name,
        "sans": sans,
        "organization_id": details.org_id or NONE,
        "organization_name": _organization(details.org_id, organizations),
        "profile_id": details.profile_id or NONE,
        "profile_name": details.profile_name or NONE_NAMED,
        "term": term if 0 < term <= LONGEST_TERM else None,
        "key_algorithm": algorithm,
        "key_size": size,
        # We don't have the private key, and only PEM can be written without one.
        "keystore_type": "PEM",
        "comments": details.comments[:LONGEST_COMMENT],
        "external_requesters": _addresses(details.external_requester),
        "custom_fields": {name: value for name, value in details.custom_fields if name},
        "requested_by": name_at_scm(details.requester or "SCM"),
        "created_at": _midnight(details.requested) or now,
        "updated_at": now,
    }


def _organization(org_id: int | None, organizations: Mapping[int, str]) -> str:
    if org_id is None:
        return NONE_NAMED
    return organizations.get(org_id, f"organisation {org_id}")


def _key_of(text: str) -> tuple[str | None, str | None]:
    """Split SCM's key type, such as `EC - P-256`, into algorithm and size; the size may be missing."""
    algorithm, _, size = text.partition(" - ")
    return algorithm.strip() or None, size.strip() or None


def _addresses(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;]", text) if part.strip()]


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
