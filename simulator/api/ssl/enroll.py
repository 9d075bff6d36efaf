"""A new order: every rule that SCM holds it against, then a record."""

import re

from starlette.responses import Response

from certline.simulator.api.organizations import api_enabled
from certline.simulator.api.ssl import name_check
from certline.simulator.http.call import Asked
from certline.simulator.state import csr
from certline.simulator.state.csr import Csr
from certline.simulator.state.customer_parts import Profile
from certline.simulator.state.records import Record
from certline.simulator.state.scm import Scm, new_renew_id
from certline.simulator.wire.answers import Json, Refusal, answer
from certline.simulator.wire.dates import now
from certline.simulator.wire.fields import (
    MISSING,
    invalid,
    number,
    required_number,
    required_text,
    text,
    unreadable,
)

CSR_LENGTH = 32767
MAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.IGNORECASE)
# The API's documents name no limit; CAs stop here.
MOST_NAMES = 250
DCV_MODES = {"AUTO", "CNAME", "EMAIL", "HTTP", "HTTPS", "TXT"}


def enroll(asked: Asked) -> Response:
    """Take an order in. There is no idempotency: the same order again is another one."""
    asked.need("sslRequest")
    body = asked.body()
    scm = asked.scm
    org_id = organization(asked, required_number(body, "orgId"))
    profile = profile_for(scm, required_number(body, "certType"), org_id)
    term = required_number(body, "term")
    if term not in profile.terms:
        raise wrong_term()
    request = csr.read(required_text(body, "csr", most=CSR_LENGTH))
    csr.check(request.key, profile)
    sans = _names(body)
    common_name = _common_name(request, sans)
    if profile.id in scm.settings.www_profiles and f"www.{common_name}" not in sans:
        sans = (*sans, f"www.{common_name}")
    check_names((common_name, *sans))
    check_one_name(scm, profile, common_name, sans)
    _check_dcv_mode(scm, body)
    record = Record(
        ssl_id=0,
        renew_id=new_renew_id(),
        org_id=org_id,
        profile=profile,
        term=term,
        common_name=common_name,
        sans=sans,
        key=request.key,
        requested_at=now(),
        requester=asked.account.mail,
        external_requester=external_requester(scm, body),
        comments=text(body, "comments", most=1024),
        custom_fields=custom_fields(scm, body, filled=()),
    )
    number(body, "numberServers")
    name_check.check(scm, record.names, org_id)
    record.ssl_id = scm.next_id()
    scm.add(record, asked.account)
    return answer({"sslId": record.ssl_id, "renewId": record.renew_id})


def organization(asked: Asked, org_id: int) -> int:
    """An organisation or department of the caller's that may order over the API."""
    scm = asked.scm
    if scm.customer.organization(org_id) is None:
        raise Refusal(scm.settings.unknown_organization_code, "Organization not found.")
    if not asked.account.sees(org_id):
        code = scm.settings.foreign_organization_code
        raise Refusal(code, "You have no privilege for the organization.")
    if not api_enabled(scm, org_id):
        code = scm.settings.api_disabled_code
        raise Refusal(code, "The operation is not possible for the organization.")
    return org_id


def profile_for(scm: Scm, profile_id: int, org_id: int) -> Profile:
    """A profile that exists and that the organisation is offered."""
    found = scm.customer.profiles.get(profile_id)
    if found is None:
        raise Refusal(-111, "The certificate profile was not found.")
    if not found.offered_to(org_id):
        raise Refusal(-39, "The certificate profile is invalid for the organization.")
    return found


def wrong_term() -> Refusal:
    """The answer to a term that the profile does not have."""
    return Refusal(-36, "The validity period (term) is invalid for this certificate profile.")


def external_requester(scm: Scm, body: Json) -> str | None:
    """One or several mail addresses, by commas; a customer may demand them."""
    sent = text(body, "externalRequester", most=512)
    if sent and not all(MAIL.fullmatch(part.strip()) for part in sent.split(",")):
        raise invalid("externalRequester", "not a list of mail addresses")
    if not sent and scm.settings.external_requester_required:
        raise Refusal(-139, "External Requester is required.")
    return sent or None


def custom_fields(
    scm: Scm, body: Json, *, filled: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """The custom fields that were sent, over those filled before; mandatory ones must be there."""
    sent = body.get("customFields") or []
    if not isinstance(sent, list) or not all(isinstance(item, dict) for item in sent):
        raise unreadable()
    known = {found.name for found in scm.customer.custom_fields}
    values = dict(filled)
    for item in sent:
        name = required_text(item, "name", most=256)
        if name not in known:
            raise Refusal(-64, f"Optional field '{name}' is invalid.")
        values[name] = text(item, "value", most=256) or ""
    for name in scm.settings.mandatory_custom_fields:
        if not values.get(name):
            raise Refusal(-62, f"Mandatory custom field '{name}' is missing.")
    return tuple((name, value) for name, value in values.items() if value)


def check_names(names: tuple[str, ...]) -> None:
    """Refuse what is no name of a host, and too many of them."""
    for name in names:
        if not NAME.fullmatch(name) or len(name) > 253:
            raise invalid("subjAltNames", f"'{name}' is not a domain name")
    if len(set(names)) > MOST_NAMES:
        raise invalid("subjAltNames", f"more than {MOST_NAMES} names")


def check_one_name(scm: Scm, profile: Profile, common_name: str, sans: tuple[str, ...]) -> None:
    """Refuse further names where the profile has but one; `www.` of it comes free of charge."""
    if profile.one_name and set(sans) - {common_name, f"www.{common_name}"}:
        code = scm.settings.single_domain_code
        raise Refusal(code, "The certificate profile does not allow alternative names.")


def _check_dcv_mode(scm: Scm, body: Json) -> None:
    mode = text(body, "dcvMode", most=16)
    if mode is None and not scm.settings.dcv_enabled:
        raise Refusal(MISSING, "Required field 'dcvMode' is missing.")
    if mode is not None and mode.upper() not in DCV_MODES:
        raise invalid("dcvMode", f"none of {', '.join(sorted(DCV_MODES))}")
    if mode is not None and mode.upper() == "EMAIL":
        required_text(body, "dcvEmail", most=255)


def _names(body: Json) -> tuple[str, ...]:
    # A list here, as replace has it, is a body that SCM cannot read.
    sent = text(body, "subjAltNames", most=CSR_LENGTH) or ""
    return tuple(dict.fromkeys(part.strip().lower() for part in sent.split(",") if part.strip()))


def _common_name(request: Csr, sans: tuple[str, ...]) -> str:
    found = request.common_name or next(iter(sans), None)
    if found is None:
        raise Refusal(-10, "The CSR has no common name.")
    if len(found) > 64:
        raise invalid("commonName", "longer than 64 characters")
    return found.lower()
