"""What can go wrong at SCM; a branch is what the caller can do about it.

ScmError
├── NotSent            surely not executed: the request didn't reach SCM. Send it again
├── OutcomeUnknown     sent, but the answer didn't come or can't be read. Look at SCM before sending again
│   ├── Unavailable    5xx: SCM or the proxy before it is out of order
│   └── Garbled        2xx, and its body can't be understood
├── Throttled          429, surely not executed. Wait `retry_after` seconds
│   └── TooSoon        our own limit or breaker: not even sent. Wait `retry_after` seconds
├── LoginRefused       surely not executed. Stop: SCM counts failed logins
│   └── NotAsked       refused before, so our own pacing has sent nothing
├── NotReady           too early. Ask again later
└── Refused            SCM's own "no", surely not executed. As it is, the same request fails again
    ├── AlreadyDone    there is nothing left to revoke. Read the record to be sure
    ├── TryAgain       SCM's trouble, not the request's: the same request may work later
    ├── NotFound       there is no such thing at SCM, or this account doesn't see it
    └── NeedsPerson    somebody must act at SCM first: `advice` says what
"""


class ScmError(Exception):
    """A call to SCM failed; which call, and all that SCM said about it."""

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
        self.status = status  # HTTP's
        self.code = code  # SCM's own; the same code may mean several things
        self.advice = advice  # what a person can do; may be empty
        self.retry_after = retry_after  # seconds, when the answer named a time
        # Nobody gets an answer at present: it is not about this request. The caller's Pacing knows.
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
    """Surely not executed: refused, unknown host, time-out while connecting, TLS or proxy failure,
    or no token to be had.
    """


class OutcomeUnknown(ScmError):
    """Sent, and nobody knows what became of it: look at SCM before sending it again."""


class Unavailable(OutcomeUnknown):
    """HTTP 5xx, from SCM or from the proxy before it."""


class Garbled(OutcomeUnknown):
    """HTTP 2xx whose body is cut off, isn't JSON or hasn't the documented shape."""


class Throttled(ScmError):
    """HTTP 429: too many requests; this one wasn't executed."""


class TooSoon(Throttled):
    """Held back by our own `Pacing`, before anything was sent: SCM knows nothing of it."""


class LoginRefused(ScmError):
    """HTTP 401 or a login code: every further call would bring the account nearer to its lock."""


class NotAsked(LoginRefused):
    """Held back by our own `Pacing`: SCM has refused this login before."""


class NotReady(ScmError):
    """Too early: the certificate is still being made."""


class Refused(ScmError):
    """SCM read the request and said no."""


class AlreadyDone(Refused):
    """SCM revokes only what is issued, so this was revoked before, or never issued.

    SCM says the same of both: read the record before you believe the first.
    """


class TryAgain(Refused):
    """Nothing is wrong with the request; SCM couldn't serve it now."""


class NotFound(Refused):
    """No such record, or none that this account may see."""


class NeedsPerson(Refused):
    """Blocked until somebody acts at SCM: a validation, a delegation, a privilege."""
