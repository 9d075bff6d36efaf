"""Which error an answer is: data, in the order of SCM's own table, and what a person can do.

SCM answers nearly every "no" with HTTP 400, so its code decides, and sometimes the operation and
its words too. The first row that fits counts.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

from certline.workers.scm.errors import (
    AlreadyDone,
    LoginRefused,
    NeedsPerson,
    NotFound,
    NotReady,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmError,
    Throttled,
    TryAgain,
    Unavailable,
)

ORDERS = ("enroll", "renew", "replace")  # cost money
REVOKES = ("revoke", "revoke_by_serial")
CHANGES = (*ORDERS, *REVOKES, "approve", "decline", "update")

# "Still being made", where SCM takes the question for too early.
PENDING = (0, -103, -109, -183, -1400)
INTERNAL = (-1, -14, -2, -65)
NO_CODE = (None,)


@dataclass(frozen=True)
class Rule:
    """One row: empty means any. `text` is searched in SCM's description, whatever its case.

    `by_scm`: the row is for SCM's own JSON; else for whoever answered, a proxy too.
    """

    codes: tuple[int | None, ...]
    error: type[ScmError]
    advice: str = ""
    operations: tuple[str, ...] = ()
    text: str = ""
    statuses: Container[int] = ()
    by_scm: bool = True

    def fits(self, operation: str, status: int, code: int | None, text: str, by_scm: bool) -> bool:
        """Whether this row is about such an answer."""
        return (
            (by_scm or not self.by_scm)
            and (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and (not self.operations or operation in self.operations)
            and bool(re.search(self.text, text, re.IGNORECASE))
        )


ANY: tuple[int, ...] = ()

RULES = (
    # What HTTP says alone outweighs any code.
    Rule(ANY, Unavailable, statuses=range(500, 600), by_scm=False),
    Rule(ANY, Throttled, statuses=(429,), by_scm=False),
    Rule(
        ANY, LoginRefused, "check the login; a password may expire", statuses=(401,), by_scm=False
    ),
    Rule(ANY, NotSent, "the proxy wants a login", statuses=(407,), by_scm=False),
    Rule(ANY, OutcomeUnknown, statuses=(408, *range(300, 400)), by_scm=False),
    Rule(ANY, NotFound, "SCM has nothing there, or doesn't show it to us", statuses=(404,)),
    # SCM's codes.
    Rule(PENDING, NotReady, operations=("collect",)),
    # "Being processed" says that there is an order: so we look before we order again.
    Rule(PENDING, OutcomeUnknown, "SCM is processing an order", operations=ORDERS),
    Rule(PENDING, TryAgain, "SCM is still making the certificate"),
    # SCM doesn't say how far it came when it failed inside.
    Rule(INTERNAL, OutcomeUnknown, "SCM failed on the way; look there first", operations=CHANGES),
    Rule(INTERNAL, TryAgain, "SCM's own fault; if it lasts, ask Sectigo's support"),
    Rule((-3, -25, -37), NeedsPerson, "give the API account the privilege for this, or its role"),
    Rule((-7,), Refused, "a required field is missing"),
    Rule((-9, -10, -138), Refused, "SCM can't read the CSR; make a new one"),
    Rule((-11, -78, -170), Refused, "choose a key algorithm that the profile lists"),
    Rule((-13, -141, -194), Refused, "choose a key size that the profile lists"),
    Rule(
        (-16, -970), LoginRefused, "check login, password and customer URI; a password may expire"
    ),
    Rule((-35,), Refused, "the server type is invalid"),
    Rule((-36,), Refused, "choose a term that the profile lists"),
    Rule((-39, -111), Refused, "the profile doesn't exist or isn't open to this organisation"),
    Rule((-62,), Refused, "an IP address is invalid", text=r"\bIP\b"),
    Rule((-62,), Refused, "fill in every mandatory custom field"),
    Rule((-64,), Refused, "a field's value is invalid"),
    Rule((-102,), AlreadyDone, "revoked before, or never issued: read it", operations=REVOKES),
    Rule((-102,), Refused, "the certificate isn't issued"),
    Rule((-105,), OutcomeUnknown, "the renewal failed on the way", operations=("renew",)),
    Rule((-105,), Refused, "look at the certificate's status at SCM"),
    Rule((-107, -737, -1137), NeedsPerson, "validate the domains at SCM, or validate them again"),
    Rule((-110, -192), Refused, "the certificate is revoked and can't be fetched"),
    Rule((-123, -124, -5101), NotFound, "SCM has no such certificate, or doesn't show it to us"),
    Rule((-126, -1450), Refused, "SCM doesn't know this format"),
    Rule((-129,), OutcomeUnknown, "SCM lost its CA on the way; look whether the order is there"),
    # A certificate can be issued and not collectable for a moment.
    Rule((-130,), NotReady, operations=("collect",)),
    Rule((-130,), Refused, "the certificate isn't issued"),
    Rule((-131, -134, -135, -160), Refused, "compare the custom fields with those at SCM"),
    Rule((-139,), Refused, "SCM wants an external requester on each order"),
    Rule((-140, -1138), TryAgain, "SCM couldn't check the CSR just now"),
    Rule((-159,), AlreadyDone, "revoked before: read it", operations=REVOKES),
    Rule((-159,), Refused, "the certificate is revoked", text="revoked"),
    Rule((-159,), Refused, "compare the custom fields with those at SCM"),
    Rule((-164,), Refused, "no public certificate for an internal name or a private address"),
    Rule((-169,), NeedsPerson, "the certificate isn't available; ask SCM's administrator"),
    Rule((-180,), Refused, "the profile allows no renewal; place a new order"),
    Rule((-195, -196), TryAgain, "SCM can't reach its CA"),
    Rule((-226,), NeedsPerson, "give the API account a role in this organisation"),
    Rule((-410, -429), NeedsPerson, "the customer isn't set up at SCM; ask its administrator"),
    Rule((-618,), TryAgain, "SCM is busy"),
    Rule((-639, -1023), Refused, "SCM has no such organisation"),
    Rule((-714, -732), Refused, "a name isn't a valid public domain name"),
    Rule((-715, -727, -1010, -1603), NeedsPerson, "delegate the domain to the organisation at SCM"),
    Rule((-723, -724), NeedsPerson, "look at the domain's validation at SCM"),
    Rule((-843,), NeedsPerson, "have the organisation validated for this type of certificate"),
    Rule((-1002,), Refused, "SCM can't parse our request: a fault of this program"),
    Rule((-1021,), NeedsPerson, "open the REST API for the organisation (SSL tab) at SCM"),
    Rule((-1104, -1117), Refused, "the order number is invalid"),
    Rule((-1112, -1113), Refused, "the certificate's state doesn't allow this; read it again"),
    Rule((-1140,), NeedsPerson, "an EV order is approved by somebody other than its requester"),
    Rule((-1144,), NeedsPerson, "the certificate must be discovered again at SCM"),
    Rule((-1148,), Refused, "an automatically installed certificate can't be replaced"),
    Rule((-1601,), Refused, "a field has an invalid value: see SCM's text"),
    Rule((-1608,), NeedsPerson, "domain validation isn't enabled for the customer"),
    # The CA may have been asked before SCM found its record changed.
    Rule((-3114, -3115), OutcomeUnknown, "the record changed meanwhile", operations=ORDERS),
    Rule((-3114, -3115), TryAgain, "somebody changed the record meanwhile"),
    Rule((-7306,), NeedsPerson, "the password breaks SCM's policy"),
    # The code may be missing; then SCM's words have to do.
    Rule(NO_CODE, NotReady, operations=("collect",), text="being processed|not collectable"),
    Rule(
        NO_CODE,
        OutcomeUnknown,
        "SCM is processing an order",
        operations=ORDERS,
        text="being processed",
    ),
    Rule(NO_CODE, TryAgain, "SCM is still making the certificate", text="being processed"),
    Rule(
        NO_CODE,
        AlreadyDone,
        "revoked before, or never issued: read it",
        operations=REVOKES,
        text="only issued certificates",
    ),
    Rule(NO_CODE, LoginRefused, "check login, password and customer URI", text="unknown user"),
    Rule(NO_CODE, NeedsPerson, "give the API account the privilege", text="not authori[sz]ed"),
    # SCM isn't documented to say 403; whoever says it in SCM's manner means privileges.
    Rule(ANY, NeedsPerson, "give the API account the privilege for this", statuses=(403,)),
    Rule(ANY, Refused),
    # A 4xx that isn't SCM's: somebody between us answered, and nobody can tell what SCM did or
    # would have said. A proxy's 404 page doesn't mean "no such certificate".
    Rule(ANY, OutcomeUnknown, by_scm=False),
)


def rule_for(
    operation: str, status: int, code: int | None, text: str = "", *, by_scm: bool = True
) -> Rule:
    """The first row that fits an answer which isn't a 2xx."""
    return next(rule for rule in RULES if rule.fits(operation, status, code, text, by_scm))
