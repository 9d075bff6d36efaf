"""A record of SCM's as an order of ours: what each of its fields and each of its statuses becomes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from certline.models import OrderKind, OrderStatus
from certline.models.certificates.lineage import Family, family_of
from certline.models.database.base import new_id
from certline.workers.ordering.placement import LONGEST_COMMENT
from certline.workers.scm import Details, ScmStatus

# Where SCM names no organisation or profile, as for certificates that it has only discovered.
NONE, NONE_NAMED = 0, "(none)"
# Days; SCM's terms are far below. A larger number is none.
LONGEST_TERM = 36_500
# The largest number that the columns for SCM's ids hold; SCM's own are of 32 bits too.
LARGEST_ID = 2**31 - 1
AUTO_RENEWS = frozenset({"scheduled", "started"})


class UnusableRecordError(Exception):
    """A record that can't be an order here; the text says why."""


@dataclass(frozen=True)
class Met:
    """A record that SCM has shown. `leaf` are the columns of its certificate, where it was
    collected; `fault` is why it could not be.
    """

    details: Details
    leaf: Mapping[str, Any] | None = None
    fault: str | None = None

    @property
    def scm_id(self) -> int:
        """SCM's id."""
        return self.details.ssl_id


def status_of(details: Details, today: date) -> OrderStatus:
    """What a record's status means for an order that is taken in.

    A word that nobody knows is pending: it is asked for again, and never taken for a success.
    """
    state = details.state
    if state.is_refused:
        return OrderStatus.REJECTED
    if state.is_gone or state is ScmStatus.UNMANAGED:
        return OrderStatus.CANCELLED
    if state.is_issued:
        # SCM's days have no zone: the day itself still counts as valid.
        over = details.expires is not None and details.expires < today
        return OrderStatus.CANCELLED if over else OrderStatus.ISSUED
    return OrderStatus.PENDING


def why_over(details: Details) -> str:
    """Why there is nothing to fetch."""
    day = {
        ScmStatus.REVOKED: details.revoked,
        ScmStatus.REPLACED: details.replaced,
        ScmStatus.DECLINED: details.declined,
        ScmStatus.EXPIRED: details.expires,
        ScmStatus.ISSUED: details.expires,  # over, and SCM has not said so yet
    }.get(details.state)
    return f"SCM's status is {details.status}" + (f" ({day})" if day else "")


def names_of(details: Details) -> list[str]:
    """Every name in lower case, the common name first. Raises UnusableRecordError."""
    names = [name.lower() for name in (details.common_name.strip(), *details.sans) if name]
    if not names:
        raise UnusableRecordError("SCM names no common name")
    return list(dict.fromkeys(names))


def family_of_record(details: Details) -> Family:
    """Which family of renewals it is of. Raises UnusableRecordError."""
    return family_of(names_of(details), details.org_id or NONE, details.profile_id or NONE)


def auto_renews(details: Details) -> bool:
    """Whether SCM renews it by itself."""
    return details.auto_renew_state.strip().lower() in AUTO_RENEWS


def columns(
    details: Details, account_id: int, organizations: Mapping[int, str], now: datetime
) -> dict[str, Any]:
    """The order's columns, but for its status. Raises UnusableRecordError.

    Whoever asked SCM for it asked for it, and when SCM says.
    """
    common_name, *sans = names_of(details)
    numbers = (details.ssl_id, details.org_id or 0, details.profile_id or 0)
    if max(numbers) > LARGEST_ID:
        raise UnusableRecordError(f"SCM's numbers {numbers} are larger than its ids are")
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
        # Without its key, PEM is the form that it can be had in.
        "keystore_type": "PEM",
        "comments": details.comments[:LONGEST_COMMENT],
        "external_requesters": _addresses(details.external_requester),
        "custom_fields": {name: value for name, value in details.custom_fields if name},
        "requested_by": details.requester or "SCM",
        "created_at": _midnight(details.requested) or now,
        "updated_at": now,
    }


def _organization(org_id: int | None, organizations: Mapping[int, str]) -> str:
    if org_id is None:
        return NONE_NAMED
    return organizations.get(org_id, f"organisation {org_id}")


def _key_of(text: str) -> tuple[str | None, str | None]:
    """Algorithm and size of SCM's `EC - P-256`; the size may be left out."""
    algorithm, _, size = text.partition(" - ")
    return algorithm.strip() or None, size.strip() or None


def _addresses(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;]", text) if part.strip()]


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
