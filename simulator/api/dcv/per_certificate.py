"""Handler for the domain control validation that one certificate needs."""

from starlette.responses import Response

from certline.simulator.api.dcv.validations import instructions
from certline.simulator.http.call import SimRequest
from certline.simulator.state.customer_parts import SimDomain
from certline.simulator.wire.answers import answer, without_gaps
from certline.simulator.wire.dates import NAMED, written


def per_certificate(asked: SimRequest) -> Response:
    """Return the validation state of one certificate's domains, and the proofs still to be published."""
    record = asked.record(asked.id("id"), reading=True)
    form = f"{NAMED['ISO']} HH:mm:ss"
    log, wanted = [], []
    for domain in _of_names(asked, record.names):
        proof = domain.validation
        waits = proof.status(asked.scm.settings) != "VALIDATED"
        log.append(
            without_gaps(
                {
                    "dcvStatus": "Awaiting Validation" if waits else "Validated",
                    "domainName": domain.name,
                    "dcvDate": None if waits else written(proof.at, form),
                }
            )
        )
        if waits:
            mode = {"domainName": domain.name, "dcvMode": proof.order_mode or "CNAME"}
            wanted.append({**mode, **instructions(domain, asked.scm.settings)})
    return answer({"dcvLog": {"log": log}, "instructions": wanted})


def _of_names(asked: SimRequest, names: tuple[str, ...]) -> list[SimDomain]:
    customer = asked.scm.customer
    bare = [name.removeprefix("*.") for name in names]
    return [
        domain
        for domain in customer.domains
        if customer.is_top(domain)
        and any(name == domain.bare or name.endswith(f".{domain.bare}") for name in bare)
    ]
