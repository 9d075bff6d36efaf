"""Errors of calls to SCM; each branch stands for what the caller can do about it.

ScmError
├── NotSent            certainly not executed: the request didn't reach SCM. Send it again
├── OutcomeUnknown     sent, but the response is missing or unreadable. Check at SCM before sending it again
│   ├── Unavailable    HTTP 5xx: SCM or the proxy in front of it is failing
│   └── Garbled        HTTP 2xx with a body that can't be understood
├── Throttled          HTTP 429, certainly not executed. Wait `retry_after` seconds
│   └── TooSoon        refused by our own rate limit or breaker, so not sent. Wait `retry_after` seconds
├── LoginRefused       certainly not executed. Stop calling: SCM counts failed logins
│   └── NotAsked       not sent by our own pacing, because SCM refused this login before
├── NotReady           too early. Poll again later
└── Refused            refused by SCM, certainly not executed. The same request will fail again
    ├── AlreadyDone    nothing is left to revoke. Read the record to be sure
    ├── TryAgain       a problem of SCM's, not of the request: the same request may succeed later
    ├── NotFound       SCM has no such record, or hides it from this account
    └── NeedsPerson    an administrator has to act at SCM first: `advice` says what to do
"""


class ScmError(Exception):
    """Base of all errors of calls to SCM, with the operation and everything SCM said about the failure."""

    def __init__(
        self,
        operation: str,
        description: str,
        *,
        status: int | None = None,
        code: int | None = None,
        advice: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(operation, description)
        self.operation = operation
        self.description = description
        self.status = status  # HTTP status
        self.code = code  # SCM's own code; the same code may have several meanings
        self.advice = advice  # what the operator can do; may be empty
        self.retry_after = retry_after  # seconds, if the response had a Retry-After header
        # Set by the caller's Pacing if other calls fail too, so that the failure isn't due to this request.
        self.widespread = False

    def __str__(self) -> str:
        facts = []
        if self.status is not None:
            facts.append(f"HTTP {self.status}")
        if self.code is not None:
            facts.append(f"code {self.code}")
        where = f" ({', '.join(facts)})" if facts else ""
        hint = f" [{self.advice}]" if self.advice else ""
        return f"{self.operation}: {self.description}{where}{hint}"


class NotSent(ScmError):
    """Certainly not executed: connection refused, unknown host, time-out while connecting, TLS or proxy failure,
    or no token available.
    """


class OutcomeUnknown(ScmError):
    """Sent, but it is unknown whether SCM executed it: check at SCM before sending it again."""


class Unavailable(OutcomeUnknown):
    """HTTP 5xx from SCM, or from the proxy in front of it."""


class Garbled(OutcomeUnknown):
    """HTTP 2xx with a body that is cut off, isn't JSON or lacks the documented structure."""


class Throttled(ScmError):
    """HTTP 429, too many requests: this one wasn't executed."""


class TooSoon(Throttled):
    """Refused by our own `Pacing` before anything was sent: SCM never saw the request."""


class LoginRefused(ScmError):
    """HTTP 401 or a code for a wrong login: each further call brings the account closer to being locked."""


class NotAsked(LoginRefused):
    """Refused by our own `Pacing`, because SCM has refused this login before; nothing was sent."""


class NotReady(ScmError):
    """Too early: the certificate is still being issued."""


class Refused(ScmError):
    """Refused by SCM itself, and not executed."""


class AlreadyDone(Refused):
    """Revocation refused because the certificate isn't issued: it was revoked before, or never issued.

    SCM's response is the same in both cases, so read the record before assuming that it is revoked.
    """


class TryAgain(Refused):
    """Refused for a temporary reason at SCM; nothing is wrong with the request."""


class NotFound(Refused):
    """No such record at SCM, or none that this account may see."""


class NeedsPerson(Refused):
    """Blocked until an administrator acts at SCM: a validation, a delegation or a privilege is missing."""
