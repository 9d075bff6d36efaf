"""Handlers for domain control validation: start, submit, synchronise, clear and delete."""

from starlette.responses import Response

from certline.simulator.api.dcv import looks
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


def start_in_v1(asked: SimRequest) -> Response:
    """Start a validation as the older version does, which has no start for TXT."""
    if _mode(asked) == "TXT":
        return Response(status_code=404)
    return start(asked)


def start(asked: SimRequest) -> Response:
    """Start a validation, and return what to publish or which mailboxes may be used."""
    found = _active(asked)
    mode = _mode(asked)
    found.validation.starts += 1
    found.validation.order = AWAITING_SUBMISSION
    found.validation.order_mode = mode
    found.validation.mail = None
    if mode == "EMAIL":
        mails = [f"{box}@{found.name}" for box in MAILBOXES]
        row = {"domainName": found.name, "whoisEmails": [], "adminEmails": mails}
        return answer({"emails": mails, "dcvEmails": [{**row, "dnsTxtEmails": []}]})
    if mode == "TXT":
        return answer({"message": "Submit the domain to receive the record."})
    return answer(instructions(found, asked.scm.settings))


async def submit(asked: SimRequest) -> Response:
    """Submit a validation to the CA, which looks after `dcv_after_ms`, or with `dcv_checks` off completes it."""
    found = _active(asked)
    proof = found.validation
    mode = _mode(asked)
    more: Json = {}
    if mode == "EMAIL":
        proof.mail = required_text(asked.body(), "email", most=255)
    # TXT needs no start: its record is returned with the submission.
    if mode == "TXT" and proof.order != AWAITING_SUBMISSION:
        proof.starts += 1
    if mode != "TXT" and (proof.order != AWAITING_SUBMISSION or proof.order_mode != mode):
        raise Refusal(-724, f"The DCV state is wrong: {proof.order}.")
    proof.order, proof.order_mode = SUBMITTED, mode
    proof.submitted_at = now()
    proof.looks, proof.looked_at = 0, None
    proof.order_id = str(asked.scm.next_order_number())
    if mode == "EMAIL":
        more["emailValidationReferenceNumber"] = proof.order_id
    if mode == "TXT":
        more = instructions(found, asked.scm.settings)
    looks.begin(asked.scm, found)
    return answer(
        {**state(asked, found), **_message(asked, found), "orderBackendId": proof.order_id, **more}
    )


async def sync(asked: SimRequest) -> Response:
    """Return the validation state of a domain as known to the CA; with `dcv_sync_looks` it looks first."""
    found = named(asked)
    if asked.scm.settings.dcv_sync_looks:
        await looks.look(asked.scm, found)
    return answer({**state(asked, found), **_message(asked, found)})


def clear(asked: SimRequest) -> Response:
    """Cancel the validation in progress; the last completed one remains."""
    found = named(asked)
    found.validation = found.validation.completed(found.validation.at, found.validation.mode)
    return answer({**state(asked, found), **_message(asked, found)})


def delete(asked: SimRequest) -> Response:
    """Delete the validation of a domain and of all domains below it."""
    found = named(asked)
    for each in asked.scm.customer.family(found.name):
        each.validation = SimValidation()
    return answer({**state(asked, found), **_message(asked, found)})


def _mode(asked: SimRequest) -> str:
    mode = asked.path["mode"].upper()
    if mode not in METHODS:
        raise invalid("mode", f"not one of {', '.join(METHODS)}")
    return mode


def _active(asked: SimRequest) -> SimDomain:
    found = named(asked)
    if found.state != "ACTIVE" and not asked.scm.settings.dcv_of_suspended:
        raise Refusal(-715, f"The domain is inactive: {found.name}")
    return found


def _message(asked: SimRequest, found: SimDomain) -> Json:
    status = found.validation.status(asked.scm.settings)
    return {"message": f"DCV status: {status}; DCV order status: {found.validation.order}"}
