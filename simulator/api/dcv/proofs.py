"""Proving that a domain is the customer's: start, submit, and undoing either."""

from starlette.responses import Response

from certline.simulator.api.dcv.validations import instructions, named, state
from certline.simulator.http.call import Asked
from certline.simulator.state.customer_parts import (
    AWAITING_SUBMISSION,
    METHODS,
    SUBMITTED,
    Domain,
    Validation,
)
from certline.simulator.wire.answers import Json, Refusal, answer
from certline.simulator.wire.dates import now
from certline.simulator.wire.fields import invalid, required_text

MAILBOXES = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")


def start(asked: Asked) -> Response:
    """Begin a proof: the answer is what to publish, or where mail may go."""
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


def submit(asked: Asked) -> Response:
    """Have the CA look for the proof; it comes to it in its own time."""
    found = named(asked)
    proof = found.validation
    mode = _mode(asked)
    more: Json = {}
    if mode == "EMAIL":
        proof.mail = required_text(asked.body(), "email", most=255)
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


def sync(asked: Asked) -> Response:
    """Ask the CA how a domain stands."""
    found = named(asked)
    return answer({**state(asked, found), **_message(found)})


def clear(asked: Asked) -> Response:
    """Give up the proof that is being made; what was proven before stays."""
    found = named(asked)
    found.validation = Validation(found.validation.at, found.validation.mode)
    return answer({**state(asked, found), **_message(found)})


def delete(asked: Asked) -> Response:
    """Forget that a domain was ever proven."""
    found = named(asked)
    for each in asked.scm.customer.family(found.name):
        each.validation = Validation()
    return answer({**state(asked, found), **_message(found)})


def _mode(asked: Asked) -> str:
    mode = asked.path["mode"].upper()
    if mode not in METHODS:
        raise invalid("mode", f"none of {', '.join(METHODS)}")
    return mode


def _message(found: Domain) -> Json:
    proof = found.validation
    return {"message": f"DCV status: {proof.status}; DCV order status: {proof.order}"}
