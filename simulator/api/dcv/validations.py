"""Handlers that report the state of domain control validation."""

import hashlib
from datetime import timedelta

from starlette.responses import Response

from certline.simulator.api.domains import domains
from certline.simulator.api.domains.domains import shown_name, spoken
from certline.simulator.http.call import SimRequest
from certline.simulator.http.pages import page, window
from certline.simulator.settings import SimSettings
from certline.simulator.state.customer_parts import SUBMITTED, SimDomain, ascii_name
from certline.simulator.wire.answers import Json, Refusal, answer, without_gaps
from certline.simulator.wire.dates import MOMENT, now, written
from certline.simulator.wire.fields import asked_number, path_id, required_text

# The most days that `expiresIn` looks ahead; later dates may not exist.
MOST_DAYS = 36_500


def listed(asked: SimRequest) -> Response:
    """Return a page of the domains that are validated, with the state of each."""
    opened(asked)
    query, settings = asked.query, asked.scm.settings
    found = _proven(asked)
    if name := query.get("domain"):
        found = [d for d in found if ascii_name(name) in d.name]
    for owner in ("org", "department"):
        if sent := query.get(owner):
            wanted = path_id(sent)
            found = [d for d in found if wanted in d.org_ids]
    if status := query.get("dcvStatus"):
        found = [d for d in found if d.validation.status(settings) == _constant(status)]
    if order := query.get("orderStatus"):
        found = [d for d in found if d.validation.order == _constant(order)]
    if query.get("expiresIn"):
        days = min(asked_number(query, "expiresIn", 0), MOST_DAYS)
        last = (now() + timedelta(days=days)).date()
        ends = {d.name: held[1] for d in found if (held := d.validation.days(settings))}
        found = [d for d in found if d.name in ends and ends[d.name] <= last]
    return page([_row(asked, d) for d in found[window(asked)]], len(found))


def status(asked: SimRequest) -> Response:
    """Return the validation state of one domain."""
    found = named(asked)
    proof = found.validation
    settings = asked.scm.settings
    days = proof.days(settings)
    last = proof.looked_at or proof.submitted_at
    again = timedelta(milliseconds=settings.dcv_again_ms)
    moving = proof.order == SUBMITTED
    body = {
        **state(asked, found),
        "validationDate": _day(days[0]) if days else None,
        "expirationDate": _day(days[1]) if days else None,
        "orderMode": proof.order_mode,
        **(instructions(found, settings) if proof.order_mode else {}),
        "validationEmail": proof.mail,
        "orderBackendId": proof.order_id,
        "submittedDate": written(proof.submitted_at, MOMENT),
        "lastCheck": written(last if moving else None, MOMENT),
        "nextCheck": written(last + again if moving and last else None, MOMENT),
    }
    return answer(without_gaps(body))


def opened(asked: SimRequest) -> None:
    """Raise Refusal if the caller lacks the privilege, or if DCV is off for the customer."""
    asked.need("allowDCV")
    if not asked.scm.settings.dcv_enabled:
        raise Refusal(-1608, "DCV is not enabled for the customer.")


def _proven(asked: SimRequest) -> list[SimDomain]:
    """Return the domains that are validated themselves: none below another, and of wildcards those alone."""
    customer = asked.scm.customer
    found = [d for d in domains.visible(asked) if customer.is_top(d)]
    for domain in found:
        asked.scm.settle_validation(domain)
    return found


def named(asked: SimRequest) -> SimDomain:
    """Return the domain named in the body. Raises Refusal if it can't be validated itself."""
    opened(asked)
    name = ascii_name(required_text(asked.body(), "domain", most=255))
    found = next((d for d in domains.visible(asked) if d.name == name), None)
    if found is None:
        raise Refusal(-727, "Domain not found.")
    if not asked.scm.customer.is_top(found):
        raise Refusal(-723, "DCV is possible for high-level domains only.")
    asked.scm.settle_validation(found)
    return found


def _constant(sent: str) -> str:
    return sent.strip().replace(" ", "_").upper()


def _row(asked: SimRequest, found: SimDomain) -> Json:
    proof = found.validation
    settings = asked.scm.settings
    days = proof.days(settings)
    return without_gaps(
        {
            "domain": shown_name(found, settings),
            "dcvStatus": spoken(proof.status(settings), settings),
            "dcvMethod": proof.mode if proof.at else None,
            "dcvOrderStatus": spoken(proof.order, settings),
            "dcvOrderMethod": proof.order_mode,
            "expirationDate": _day(days[1]) if days else None,
        }
    )


def state(asked: SimRequest, found: SimDomain) -> Json:
    """Return the state of a domain's validation and of the one in progress."""
    settings = asked.scm.settings
    return {
        "status": spoken(found.validation.status(settings), settings),
        "orderStatus": spoken(found.validation.order, settings),
    }


def instructions(found: SimDomain, settings: SimSettings) -> Json:
    """Return what has to be published: always the same for a domain and mode, unless `dcv_new_proofs` is set."""
    name, mode = found.bare, found.validation.order_mode
    number = f" {found.validation.starts}" if settings.dcv_new_proofs else ""
    proof = hashlib.sha256(f"{name}{number}".encode()).hexdigest()
    if mode in {"HTTP", "HTTPS"}:
        file = f"{proof[:32].upper()}.txt"
        url = f"{mode.lower()}://{name}/.well-known/pki-validation/{file}"
        return {"url": url, "firstLine": proof, "secondLine": "sectigo.com"}
    if mode == "EMAIL":
        return {}
    point = f"{proof[:32]}.{proof[32:]}.sectigo.com."
    return {"host": f"_{proof[:32]}.{name}.", "point": point}


def _day(day: object) -> str:
    return str(day)
