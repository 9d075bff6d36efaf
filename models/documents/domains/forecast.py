"""JSON documents of the forecast of validations: what is ahead of each domain, and of all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from certline.models.documents.domains.detail import attendance_document, day_or_none

if TYPE_CHECKING:
    from certline.models.domains.forecast import DomainForecast, ValidationOutlook
    from certline.models.overview.attendance import Attendance


def domain_forecast_document(
    found: DomainForecast, account: str, care: Attendance
) -> dict[str, Any]:
    """Return what is ahead of a domain."""
    return {
        "domain": found.domain,
        "account": account,
        "last_day": day_or_none(found.last_day),
        "suspended": found.suspended,
        "would_be_refused": found.refused.total(),
        "first_refused": found.first.isoformat(),
        "common_names": found.names,
        "begin_by": found.begin_by.isoformat(),
        "beginnings": [day.isoformat() for day in found.begins],
        "refused": [
            {"date": day.isoformat(), "renewals": found.refused[day]}
            for day in sorted(found.refused)
        ],
        **attendance_document(care),
    }


def validation_outlook_document(
    outlook: ValidationOutlook, domains: list[dict[str, Any]], peaks: Mapping[date, int]
) -> dict[str, Any]:
    """Return the forecast of all domains. `peaks`: the validations of the busiest days."""
    return {
        "from": outlook.rules.today.isoformat(),
        "days": outlook.days,
        "what_if": outlook.rules.what_if,
        "certificates": outlook.certificates,
        "renewals": outlook.renewals,
        "would_be_refused": outlook.refused,
        "validations": sum(len(each["beginnings"]) for each in domains),
        "peaks": [{"date": day.isoformat(), "validations": peaks[day]} for day in peaks],
        "domains": domains,
    }
