"""Order data that a successor takes over from its predecessor, and the changes that a command makes to it.

Inherited data was not typed by the requester, and is therefore not refused like an option: it is brought into the
form that an order takes, with a remark, or a problem names the certificate and a way out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from certline.models import Certificate, Order, Profile
from certline.models.commands.fields import dns_name, mail_address
from certline.models.commands.payloads import ReissueCommand, RenewCommand
from certline.models.orders.successor_key import chosen_key
from certline.models.validation import BadCommandError

# SCM's limits (SCM document: limits), as those of an order's fields.
LONGEST_TERM = 36_500
LONGEST_FIELD = 256
# Letters that IDNA 2003 and IDNA 2008 write differently. Nothing says which of them SCM's list follows, so a name
# with one of them is not converted.
DEVIATIONS = re.compile("[ßς\u200c\u200d]")
# The field at the start of a problem; `sans.1: …` is an item of a list.
FIELD = re.compile(r"([a-z_]+)(?:\.[^:\s]+)?: ")


@dataclass
class Inherited:
    """Data of an order as fields, and remarks about what differs from the predecessor."""

    fields: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


def as_before(
    certificate: Certificate,
    origin: Order,
    profile: Profile | None,
    asked: RenewCommand | ReissueCommand,
) -> Inherited:
    """Return a certificate's data as the fields of an order command, with the changes that were requested.

    Raises BadCommandError if a successor can't have these data.
    """
    found = Inherited({})
    terms = profile.terms if profile else []
    # Where a profile no longer offers the old term, SCM itself uses the longest one (26.1).
    kept = origin.term in terms or not terms
    password = certificate.keystore_password_sealed
    found.fields = {
        "organization": str(origin.organization_id),
        "profile": str(origin.profile_id),
        "term": min(origin.term or 1, LONGEST_TERM) if kept else max(terms),
        "keystore_type": certificate.keystore_type,
        "keystore_password_sealed": None if password is None else password.decode(),
        "comments": origin.comments,
        "external_requesters": _addresses(origin.external_requesters, found.remarks),
        # Not checked and, for a renewal, not sent: SCM copies them from the predecessor's record.
        "custom_fields": {
            name: text
            for name, value in origin.custom_fields.items()
            if 0 < len(name) <= LONGEST_FIELD and len(text := str(value)) <= LONGEST_FIELD
        },
    }
    if isinstance(asked, ReissueCommand):
        _reissue(found, certificate, asked)
    else:
        _names(found, certificate, certificate.common_name, certificate.sans)
    _key(found, certificate, profile, asked)
    return found


def about(certificate: Certificate, problems: Iterable[str], typed: Iterable[str]) -> list[str]:
    """Return the problems of a successor in words about its certificate, except those of `typed` fields."""
    told = []
    for problem in problems:
        found = FIELD.match(problem)
        if found is None or found[1] in {*typed, "certificate", "account"}:
            told.append(problem)
        else:
            what = f"its {found[1].replace('_', ' ')}: {problem[found.end() :]}"
            told.append(
                f"{_name(certificate)}: {what}. To order one with other data: certline order create"
            )
    return told


def _name(certificate: Certificate) -> str:
    return f"certificate: {certificate.id} ({certificate.common_name})"


def _reissue(found: Inherited, certificate: Certificate, asked: ReissueCommand) -> None:
    """Apply what a reissue changes. The keystore's password is always replaced."""
    found.fields["keystore_password_sealed"] = asked.keystore_password_sealed
    if asked.keystore_type is not None:
        found.fields["keystore_type"] = asked.keystore_type
    common_name = asked.common_name or certificate.common_name
    _names(found, certificate, common_name, certificate.sans if asked.sans is None else asked.sans)
    if asked.common_name is not None and asked.sans is None:
        # The old common name is not kept as a further name.
        old = host_name(certificate.common_name)
        found.fields["sans"] = [name for name in found.fields["sans"] if name != old]


def _names(
    found: Inherited, certificate: Certificate, common_name: str, sans: Sequence[str]
) -> None:
    """Set the names in the form of host names. Raises BadCommandError for those that have none."""
    hosts = {name: host_name(name) for name in dict.fromkeys([common_name, *sans])}
    bad = [name for name, host in hosts.items() if host is None]
    if bad:
        raise BadCommandError(
            [
                (
                    f"{_name(certificate)}: its name {name!r} is not a host name, so certline can't order a "
                    "successor with it. With other names: certline order create, or certline certificate "
                    "reissue --common-name, --san"
                )
                for name in bad
            ]
        )
    found.remarks += [
        f"its name {name!r} is ordered as {host!r}"
        for name, host in hosts.items()
        if host != name.lower()
    ]
    first, *rest = dict.fromkeys(host for host in hosts.values() if host is not None)
    found.fields |= {"common_name": first, "sans": rest}


def host_name(name: str) -> str | None:
    """Return a name in the form of an order's host names, other alphabets as xn--; None if it has none."""
    if DEVIATIONS.search(name):
        return None
    try:
        return dns_name(name)
    except ValueError:
        return None


def _addresses(addresses: Sequence[str], remarks: list[str]) -> list[str]:
    kept = []
    for address in addresses:
        try:
            kept.append(mail_address(address))
        except ValueError as wrong:
            remarks.append(f"its external requester is left out: {wrong}")
    return kept


def _key(
    found: Inherited,
    certificate: Certificate,
    profile: Profile | None,
    asked: RenewCommand | ReissueCommand,
) -> None:
    before = (certificate.key_algorithm, certificate.key_size)
    key = chosen_key(profile, before, asked.key_algorithm, asked.key_size)
    if key is None:
        kinds = ", ".join(profile.key_types) if profile is not None else ""
        raise BadCommandError(
            [
                (
                    f"{_name(certificate)}: its profile allows {kinds} keys of sizes that certline does not make. "
                    "Order it with a CSR of your own: certline order create --csr FILE"
                )
            ]
        )
    found.fields |= {"key_algorithm": key.algorithm, "key_size": key.size}
    found.remarks += [key.remark] if key.remark is not None else []
