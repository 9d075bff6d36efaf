"""Handlers for domain control validation: start, submit, synchronise, clear and delete."""

from starlette.responses import Response

from certline.simulator.api.dcv.validations import instructions, named, state
from certline.simulator.http.call import SimRequest
from certline.simulator.state.customer_parts import (
    AWAITING_SUBMISSION,
    METHODS,
    SUBMITTED,
    SimDomain,
    SimValidation,
)
from certline.simulator.wire.answers import Json, Refusal, answer
from certline.simulator.wire.dates import now
from certline.simulator.wire.fields import invalid, required_text

MAILBOXES = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")


def start(asked: SimRequest) -> Response:
    """Start a validation, and return what to publish or which mailboxes may be used."""
    found = named(asked)
    mode = _mode(asked)
    found.validation.order = AWAITING_SUBMISSION
    found.validation.order_mode = mode
    found.validation.mail = None
    if mode == "EMAIL":
        mails = [f"{box}@{found.name}" for box in MAILBOXES]
        row = {"domainName": found.name, "whoisEmails": [], "adminEmails": mails}
        return answer({"emails": mails, "dcvEmails": [{**row, "dnsTxtEmails": []}]})
    return answer(instructions(found))


def submit(asked: SimRequest) -> Response:
    """Submit a validation to the CA, which completes it after `dcv_after_ms`."""
    found = named(asked)
    proof = found.validation
    mode = _mode(asked)
    more: Json = {}
    if mode == "EMAIL":
        proof.mail = required_text(asked.body(), "email", most=255)
    # TXT needs no start: its record is returned with the submission.
    if mode != "TXT" and (proof.order != AWAITING_SUBMISSION or proof.order_mode != mode):
        raise Refusal(-724, f"The DCV state is wrong: {proof.order}.")
    proof.order, proof.order_mode = SUBMITTED, mode
    proof.submitted_at = now()
    proof.order_id = str(asked.scm.next_order_number())
    if mode == "EMAIL":
        more["emailValidationReferenceNumber"] = proof.order_id
    if mode == "TXT":
        more = instructions(found)
    return answer(
        {**state(asked, found), **_message(found), "orderBackendId": proof.order_id, **more}
    )


def sync(asked: SimRequest) -> Response:
    """Return the validation state of a domain as known to the CA."""
    found = named(asked)
    return answer({**state(asked, found), **_message(found)})


def clear(asked: SimRequest) -> Response:
    """Cancel the validation in progress; the last completed one remains."""
    found = named(asked)
    found.validation = SimValidation(found.validation.at, found.validation.mode)
    return answer({**state(asked, found), **_message(found)})


def delete(asked: SimRequest) -> Response:
    """Delete the validation of a domain and of all domains below it."""
    found = named(asked)
    for each in asked.scm.customer.family(found.name):
        each.validation = SimValidation()
    return answer({**state(asked, found), **_message(found)})


def _mode(asked: SimRequest) -> str:
    mode = asked.path["mode"].upper()
    if mode not in METHODS:
        raise invalid("mode", f"not one of {', '.join(METHODS)}")
    return mode


def _message(found: SimDomain) -> Json:
    proof = found.validation
    return {"message": f"DCV status: {proof.status}; DCV order status: {proof.order}"}
