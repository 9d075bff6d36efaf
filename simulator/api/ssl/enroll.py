"""Handler for new orders: checks them against SCM's rules and stores a record."""

import re

from starlette.responses import Response

from certline.simulator.api.organizations import api_enabled
from certline.simulator.api.ssl import name_check
from certline.simulator.http.call import SimRequest
from certline.simulator.state import csr
from certline.simulator.state.csr import Csr
from certline.simulator.state.customer_parts import SimProfile
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
# SCM's documentation gives no limit; this one is the CAs'.
MOST_NAMES = 250
DCV_MODES = {"AUTO", "CNAME", "EMAIL", "HTTP", "HTTPS", "TXT"}


def enroll(asked: SimRequest) -> Response:
    """Accept a new order. Not idempotent, like SCM: sending the same order again creates another one."""
    asked.need("sslRequest")
    record = _record(asked, asked.body())
    # Assigned after the last check, so that a refused order uses up no id.
    record.ssl_id = asked.scm.next_id()
    asked.scm.add(record, asked.account)
    return answer({"sslId": record.ssl_id, "renewId": record.renew_id})


def _record(asked: SimRequest, body: Json) -> Record:
    """Return the record of an order, still without an id. Raises Refusal for an order that SCM would refuse."""
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
    # Its value isn't used; an invalid one is refused.
    number(body, "numberServers")
    name_check.check(scm, record.names, org_id)
    return record


def organization(asked: SimRequest, org_id: int) -> int:
    """Return `org_id` if the caller may order for it over the API. Raises Refusal otherwise."""
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


def profile_for(scm: Scm, profile_id: int, org_id: int) -> SimProfile:
    """Return the profile with this id. Raises Refusal if it doesn't exist or the organisation isn't offered it."""
    found = scm.customer.profiles.get(profile_id)
    if found is None:
        raise Refusal(-111, "The certificate profile was not found.")
    if not found.offered_to(org_id):
        raise Refusal(-39, "The certificate profile is invalid for the organization.")
    return found


def wrong_term() -> Refusal:
    """Return the refusal of a term that the profile doesn't offer."""
    return Refusal(-36, "The validity period (term) is invalid for this certificate profile.")


def external_requester(scm: Scm, body: Json) -> str | None:
    """Read one or more comma-separated mail addresses. Raises Refusal for an invalid or a missing required one."""
    sent = text(body, "externalRequester", most=512)
    if sent and not all(MAIL.fullmatch(part.strip()) for part in sent.split(",")):
        raise invalid("externalRequester", "not a list of mail addresses")
    if not sent and scm.settings.external_requester_required:
        raise Refusal(-139, "External Requester is required.")
    return sent or None


def custom_fields(
    scm: Scm, body: Json, *, filled: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return the custom fields already filled, overridden by those sent; an empty value clears a field.

    Raises Refusal for an unknown field, or if a mandatory one is missing.
    """
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
    """Raise Refusal for a name that isn't a valid domain name, or for too many names."""
    for name in names:
        if not NAME.fullmatch(name) or len(name) > 253:
            raise invalid("subjAltNames", f"'{name}' is not a domain name")
    if len(set(names)) > MOST_NAMES:
        raise invalid("subjAltNames", f"more than {MOST_NAMES} names")


def check_one_name(scm: Scm, profile: SimProfile, common_name: str, sans: tuple[str, ...]) -> None:
    """Raise Refusal for further names if the profile allows only one; `www.` of that name is allowed too."""
    if profile.one_name and set(sans) - {common_name, f"www.{common_name}"}:
        code = scm.settings.single_domain_code
        raise Refusal(code, "The certificate profile does not allow alternative names.")


def _check_dcv_mode(scm: Scm, body: Json) -> None:
    mode = text(body, "dcvMode", most=16)
    if mode is None and not scm.settings.dcv_enabled:
        raise Refusal(MISSING, "Required field 'dcvMode' is missing.")
    if mode is not None and mode.upper() not in DCV_MODES:
        raise invalid("dcvMode", f"not one of {', '.join(sorted(DCV_MODES))}")
    if mode is not None and mode.upper() == "EMAIL":
        required_text(body, "dcvEmail", most=255)


def _names(body: Json) -> tuple[str, ...]:
    # A comma-separated text; SCM can't parse a list for this call, although replace needs one.
    sent = text(body, "subjAltNames", most=CSR_LENGTH) or ""
    return tuple(dict.fromkeys(part.strip().lower() for part in sent.split(",") if part.strip()))


def _common_name(request: Csr, sans: tuple[str, ...]) -> str:
    found = request.common_name or next(iter(sans), None)
    if found is None:
        raise Refusal(-10, "The CSR has no common name.")
    if len(found) > 64:
        raise invalid("commonName", "longer than 64 characters")
    return found.lower()
