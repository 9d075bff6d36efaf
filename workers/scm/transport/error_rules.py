"""Rules that map SCM's error responses to error types, with advice for the operator.

SCM sends HTTP 400 for nearly every refusal, so its own code decides, and sometimes also the operation and the
text. The rules follow the order of SCM's table of codes; the first that fits applies.
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
# Change a domain's validation, which costs nothing.
VALIDATES = ("start_validation", "submit_validation", "clear_validation")
VALIDATIONS = (*VALIDATES, "validation_status", "sync_validation", "validations")

# Codes that mean "still being processed": the call came too early.
PENDING = (0, -103, -109, -183, -1400)
INTERNAL = (-1, -14, -2, -65)
# Added where SCM refuses what an order was checked for against its own data, as last read.
SYNC = "; what was synced may be old, so synchronise: certline sync"
NO_CODE = (None,)


@dataclass(frozen=True)
class Rule:
    """One row of the table; an empty field matches anything.

    `text` is a regular expression, searched for in SCM's description, ignoring case. A rule with `by_scm` applies
    only to SCM's own JSON; the others apply to any responder, including a proxy.
    """

    codes: tuple[int | None, ...]
    error: type[ScmError]
    advice: str = ""
    operations: tuple[str, ...] = ()
    text: str = ""
    statuses: Container[int] = ()
    by_scm: bool = True

    def fits(self, operation: str, status: int, code: int | None, text: str, by_scm: bool) -> bool:
        """Return True if this rule applies to such a response."""
        return (
            (by_scm or not self.by_scm)
            and (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and (not self.operations or operation in self.operations)
            and bool(re.search(self.text, text, re.IGNORECASE))
        )


ANY: tuple[int, ...] = ()

RULES = (
    # These HTTP statuses outweigh any code of SCM's.
    Rule(ANY, Unavailable, statuses=range(500, 600), by_scm=False),
    Rule(ANY, Throttled, statuses=(429,), by_scm=False),
    Rule(
        ANY, LoginRefused, "check the login; a password may expire", statuses=(401,), by_scm=False
    ),
    Rule(ANY, NotSent, "the proxy wants a login", statuses=(407,), by_scm=False),
    Rule(ANY, OutcomeUnknown, statuses=(408, *range(300, 400)), by_scm=False),
    Rule(ANY, NotFound, "SCM has no such record, or hides it from us", statuses=(404,)),
    # From here on SCM's own codes decide.
    Rule(PENDING, NotReady, operations=("collect",)),
    # "Being processed" implies that an order exists, so it must be looked up before it is sent again.
    Rule(PENDING, OutcomeUnknown, "SCM is processing an order", operations=ORDERS),
    Rule(PENDING, TryAgain, "SCM is still making the certificate"),
    # After an internal error SCM doesn't say how much of the request it carried out.
    Rule(
        INTERNAL,
        OutcomeUnknown,
        "SCM failed midway; check at SCM first",
        operations=(*CHANGES, *VALIDATES),
    ),
    Rule(INTERNAL, TryAgain, "an internal error at SCM; if it lasts, ask Sectigo's support"),
    Rule(
        (-3, -25, -37),
        NeedsPerson,
        "give the API account the privilege to validate domains (allowDCV), and a role for this domain",
        operations=VALIDATIONS,
    ),
    Rule((-3, -25, -37), NeedsPerson, "give the API account the privilege for this, or its role"),
    Rule((-7,), Refused, "a required field is missing"),
    Rule((-9, -10, -138), Refused, "SCM can't read the CSR; make a new one"),
    Rule((-11, -78, -170), Refused, f"choose a key algorithm that the profile lists{SYNC}"),
    Rule((-13, -141, -194), Refused, f"choose a key size that the profile lists{SYNC}"),
    Rule(
        (-16, -970), LoginRefused, "check login, password and customer URI; a password may expire"
    ),
    Rule((-35,), Refused, "the server type is invalid"),
    Rule((-36,), Refused, f"choose a term that the profile lists{SYNC}"),
    Rule(
        (-39, -111), Refused, f"the profile doesn't exist or isn't open to this organisation{SYNC}"
    ),
    Rule((-62,), Refused, "an IP address is invalid", text=r"\bIP\b"),
    Rule((-62,), Refused, f"fill in every mandatory custom field{SYNC}"),
    Rule((-64,), Refused, f"a field's value is invalid{SYNC}"),
    Rule((-102,), AlreadyDone, "already revoked or never issued: check it", operations=REVOKES),
    Rule((-102,), Refused, "the certificate isn't issued"),
    Rule((-105,), OutcomeUnknown, "the renewal failed midway", operations=("renew",)),
    Rule((-105,), Refused, "check the certificate's status at SCM"),
    Rule(
        (-107, -737, -1137),
        NeedsPerson,
        f"validate the domains at SCM, or validate them again{SYNC}",
    ),
    Rule((-110, -192), Refused, "the certificate is revoked and can't be fetched"),
    Rule((-123, -124, -5101), NotFound, "SCM has no such certificate, or hides it from us"),
    Rule((-126, -1450), Refused, "SCM doesn't support this format"),
    Rule((-129,), OutcomeUnknown, "SCM lost its CA midway; check whether the order exists at SCM"),
    # For a moment after issue a certificate may not be collectable yet.
    Rule((-130,), NotReady, operations=("collect",)),
    Rule((-130,), Refused, "the certificate isn't issued"),
    Rule((-131, -134, -135, -160), Refused, f"compare the custom fields with those at SCM{SYNC}"),
    Rule((-139,), Refused, "SCM requires an external requester on each order"),
    Rule((-140, -1138), TryAgain, "SCM is temporarily unable to check the CSR"),
    Rule((-159,), AlreadyDone, "already revoked: check it", operations=REVOKES),
    Rule((-159,), Refused, "the certificate is revoked", text="revoked"),
    Rule((-159,), Refused, f"compare the custom fields with those at SCM{SYNC}"),
    Rule((-164,), Refused, "no public certificate for an internal name or a private address"),
    Rule((-169,), NeedsPerson, "the certificate isn't available; ask SCM's administrator"),
    Rule((-180,), Refused, "the profile allows no renewal; place a new order"),
    Rule((-195, -196), TryAgain, "SCM can't reach its CA"),
    Rule((-226,), NeedsPerson, f"give the API account a role in this organisation{SYNC}"),
    Rule((-410, -429), NeedsPerson, "the customer isn't set up at SCM; ask its administrator"),
    Rule((-618,), TryAgain, "SCM is busy"),
    Rule((-639, -1023), Refused, f"SCM has no such organisation{SYNC}"),
    Rule((-714, -732), Refused, "a name isn't a valid public domain name"),
    Rule((-715,), NeedsPerson, "activate the domain at SCM", operations=VALIDATIONS),
    Rule((-727,), NotFound, f"SCM has no such domain, or hides it{SYNC}", operations=VALIDATIONS),
    Rule(
        (-1603,),
        NeedsPerson,
        "SCM can't validate this domain; see its text",
        operations=VALIDATIONS,
    ),
    Rule(
        (-715, -727, -1010, -1603),
        NeedsPerson,
        f"delegate the domain to the organisation at SCM{SYNC}",
    ),
    Rule(
        (-723,),
        Refused,
        "validate the domain above it, which covers this one",
        operations=VALIDATIONS,
    ),
    Rule(
        (-724,),
        Refused,
        "the validation is in another state: read its status",
        operations=VALIDATIONS,
    ),
    Rule((-723, -724), NeedsPerson, "check the domain's validation at SCM"),
    Rule((-843,), NeedsPerson, "have the organisation validated for this type of certificate"),
    Rule((-1002,), Refused, "SCM can't parse our request: a bug in this program"),
    Rule((-1021,), NeedsPerson, f"enable the REST API for the organisation (SSL tab) at SCM{SYNC}"),
    Rule((-1104, -1117), Refused, "the order number is invalid"),
    Rule((-1112, -1113), Refused, "the certificate's state doesn't allow this; read it again"),
    Rule((-1140,), NeedsPerson, "an EV order must be approved by someone other than its requester"),
    Rule((-1144,), NeedsPerson, "the certificate must be discovered again at SCM"),
    Rule((-1148,), Refused, "an automatically installed certificate can't be replaced"),
    Rule((-1601,), Refused, "a field has an invalid value: see SCM's text"),
    Rule(
        (-1608,),
        NeedsPerson,
        "domain validation isn't enabled for the customer; ask Sectigo to enable it",
    ),
    # SCM may have sent the order to the CA before it noticed that its record had changed.
    Rule((-3114, -3115), OutcomeUnknown, "the record changed meanwhile", operations=ORDERS),
    Rule((-3114, -3115), TryAgain, "the record was changed by someone else meanwhile"),
    Rule((-7306,), NeedsPerson, "the password breaks SCM's policy"),
    # If the code is missing, SCM's text decides.
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
        "already revoked or never issued: check it",
        operations=REVOKES,
        text="only issued certificates",
    ),
    Rule(NO_CODE, LoginRefused, "check login, password and customer URI", text="unknown user"),
    Rule(NO_CODE, NeedsPerson, "give the API account the privilege", text="not authori[sz]ed"),
    # SCM doesn't document 403; in a body of SCM's format it can only mean missing privileges.
    Rule(ANY, NeedsPerson, "give the API account the privilege for this", statuses=(403,)),
    Rule(ANY, Refused),
    # A 4xx that isn't SCM's came from an intermediary, so it is unknown what SCM did, if anything.
    # A proxy's 404 page doesn't mean "no such certificate".
    Rule(ANY, OutcomeUnknown, by_scm=False),
)


def rule_for(
    operation: str, status: int, code: int | None, text: str = "", *, by_scm: bool = True
) -> Rule:
    """Return the first rule that applies to a response which isn't a 2xx; the last row matches any."""
    return next(rule for rule in RULES if rule.fits(operation, status, code, text, by_scm))
