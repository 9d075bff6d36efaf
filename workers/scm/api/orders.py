"""Calls that order, revoke, approve and decline certificates. The client never sends any of them twice."""

import re
from collections.abc import Sequence

from certline.workers.scm.answers import Enrolled
from certline.workers.scm.api import parser
from certline.workers.scm.errors import Garbled
from certline.workers.scm.inputs import Enrolment, RevocationReason
from certline.workers.scm.transport.caller import Caller, ScmCall

# No limit for `send_before`; any other value is a time on the clock of `connections.since_boot`.
ALWAYS = float("inf")


class Ordering(Caller):
    """Methods that change certificates at SCM.

    Orders cost money: after OutcomeUnknown the certificate may have been ordered, so check at SCM before
    ordering again. A request that hasn't been sent by `send_before` is never sent, and NotSent is raised.
    """

    def enroll(self, order: Enrolment, *, send_before: float = ALWAYS) -> Enrolled:
        """Order a new certificate and return its ids. It costs money, possibly even after OutcomeUnknown."""
        body: dict[str, object] = {
            "orgId": order.org_id,
            "certType": order.profile_id,
            "term": order.term,
            "csr": order.csr,
            # A comma-separated text; SCM refuses a list (-1002), although `replace` needs one.
            "subjAltNames": ",".join(order.sans),
            "comments": order.comments,
            "externalRequester": ", ".join(order.external_requesters),
        }
        if order.custom_fields:
            fields = [{"name": name, "value": value} for name, value in order.custom_fields]
            body["customFields"] = fields
        body = {name: value for name, value in body.items() if value != ""}
        call = ScmCall("enroll", "POST", "/ssl/v1/enroll", body=body, send_before=send_before)
        return self._one(call, parser.enrolled)

    def renew(self, ssl_id: int, csr: str, *, send_before: float = ALWAYS) -> int:
        """Order a successor with the same names and profile, and return its id. It costs money.

        The CSR is mandatory and should have a new key: without a CSR, SCM would reuse the old key.
        """
        path = f"/ssl/v1/renewById/{ssl_id:d}"
        call = ScmCall("renew", "POST", path, body={"csr": csr}, send_before=send_before)
        successor = self._one(call, parser.renewed)
        if successor == ssl_id:
            raise Garbled("renew", "the successor has the same id", status=200)
        return successor

    def replace(
        self,
        ssl_id: int,
        csr: str,
        reason: str,
        *,
        common_name: str | None = None,
        sans: Sequence[str] = (),
        send_before: float = ALWAYS,
    ) -> None:
        """Order a reissue: the same SCM id with a new key, optionally new names. The old serial stays valid."""
        body: dict[str, object] = {"csr": csr, "reason": reason}
        if common_name:
            body["commonName"] = common_name
        if sans:
            body["subjectAlternativeNames"] = list(sans)  # a list, whereas `enroll` sends a text
        path = f"/ssl/v1/replace/{ssl_id:d}"
        self._nothing(ScmCall("replace", "POST", path, body=body, send_before=send_before))

    def revoke(self, ssl_id: int, code: RevocationReason, reason: str) -> None:
        """Revoke the certificate currently issued under this id: after `replace`, that is the new one.

        Raises AlreadyDone if it isn't issued, or no longer.
        """
        path = f"/ssl/v1/revoke/{ssl_id:d}"
        self._nothing(ScmCall("revoke", "POST", path, body=_because(code, reason)))

    def revoke_by_serial(self, serial: str, code: RevocationReason, reason: str) -> None:
        """Revoke the certificate with this serial number. Raises AlreadyDone if it isn't issued, or no longer.

        A serial number with colons is sent as given, in upper case; one without is padded to whole bytes first.
        Raises ValueError if it isn't hexadecimal.
        """
        path = f"/ssl/v1/revoke/serial/{colons(serial)}"
        self._nothing(ScmCall("revoke_by_serial", "POST", path, body=_because(code, reason)))

    def approve(self, ssl_id: int, message: str) -> None:
        """Approve an order that waits for approval; SCM requires a message."""
        path = f"/ssl/v1/approve/{ssl_id:d}"
        self._nothing(ScmCall("approve", "POST", path, body={"message": message}))

    def decline(self, ssl_id: int, message: str) -> None:
        """Decline an order that waits for approval; SCM requires a message."""
        path = f"/ssl/v1/decline/{ssl_id:d}"
        self._nothing(ScmCall("decline", "POST", path, body={"message": message}))


def colons(serial: str) -> str:
    """Return a serial number in SCM's form: `0ABC` and `abc` become `0A:BC`. Raises ValueError if not hex."""
    serial = serial.strip().upper()
    if re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2})+", serial):
        return serial
    if not re.fullmatch(r"[0-9A-F]{1,128}", serial):
        raise ValueError("a serial number must be hex, with or without colons between its bytes")
    return ":".join(re.findall("..", serial.zfill(len(serial) + len(serial) % 2)))


def _because(code: RevocationReason, reason: str) -> dict[str, object]:
    return {"reasonCode": int(code), "reason": reason}  # v1 of the API takes the code as a number
