"""Rules for the signing request that an order brings: no name but the ordered ones, and a key of the profile.

Pure functions.
"""

from certline.models.commands.payloads import OrderCommand
from certline.models.csr.armor import SigningRequestError
from certline.models.csr.request import SigningRequest, read_request


def own_request(wanted: OrderCommand, problems: list[str]) -> SigningRequest | None:
    """Return the order's own signing request, or None; adds what is wrong with it and its names."""
    if wanted.csr is None:
        return None
    try:
        request = read_request(wanted.csr)
    except SigningRequestError as error:
        problems.append(f"csr: {error}")
        return None
    problems += [f"csr: {problem}" for problem in name_problems(request, wanted)]
    return request


def name_problems(request: SigningRequest, wanted: OrderCommand) -> list[str]:
    """Return why a request's names are not those of the order.

    SCM takes the common name from the request and may take its other names too, but only the ordered names were
    checked.
    """
    problems = []
    if request.common_name.lower() != wanted.common_name:
        first = request.common_name or "no common name"
        problems.append(f"it is for {first}, but the order is for {wanted.common_name}")
    if len(request.common_names) > 1:
        problems.append(
            f"it has {len(request.common_names)} common names ({', '.join(request.common_names)}), "
            "and SCM may take any of them; make it anew with one"
        )
    ordered = {wanted.common_name, *wanted.sans}
    common = {name.lower() for name in request.common_names[:1]}
    more = sorted({name.lower() for name in request.names} - ordered - common)
    if more:
        problems.append(f"it has names that are not in the order: {', '.join(more)}")
    if request.others:
        problems.append(
            f"it has names that can't be ordered: {', '.join(request.others)}; make it anew without them"
        )
    return problems
