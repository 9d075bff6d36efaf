"""What is done with certificates at SCM. Nothing here is ever sent twice by the client."""

import re
from collections.abc import Sequence

from certline.workers.scm.answers import Enrolled
from certline.workers.scm.api import parser
from certline.workers.scm.errors import Garbled
from certline.workers.scm.inputs import Enrolment, RevocationReason
from certline.workers.scm.transport.caller import Call, Caller

# As late as it likes; else a moment of `connections.since_boot`.
ALWAYS = float("inf")


class Ordering(Caller):
    """Orders cost money: after OutcomeUnknown it may have been ordered, so look at SCM first.

    What is not on its way by `send_before` is not sent at all: NotSent.
    """

    def enroll(self, order: Enrolment, *, send_before: float = ALWAYS) -> Enrolled:
        """Order a certificate, which costs money. After OutcomeUnknown it may have been ordered."""
        body: dict[str, object] = {
            "orgId": order.org_id,
            "certType": order.profile_id,
            "term": order.term,
            "csr": order.csr,
            # A text here; SCM refuses a list (-1002).
            "subjAltNames": ",".join(order.sans),
            "comments": order.comments,
            "externalRequester": ", ".join(order.external_requesters),
        }
        if order.custom_fields:
            fields = [{"name": name, "value": value} for name, value in order.custom_fields]
            body["customFields"] = fields
        body = {name: value for name, value in body.items() if value != ""}
        call = Call("enroll", "POST", "/ssl/v1/enroll", body=body, send_before=send_before)
        return self._one(call, parser.enrolled)

    def renew(self, ssl_id: int, csr: str, *, send_before: float = ALWAYS) -> int:
        """Order a successor with the same names and profile; answers its id. It costs money.

        Always with a CSR of a fresh key: without one SCM would take the old key again.
        """
        path = f"/ssl/v1/renewById/{ssl_id:d}"
        call = Call("renew", "POST", path, body={"csr": csr}, send_before=send_before)
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
        """Order the same certificate with another key. Its id stays, and its old serial lives on."""
        body: dict[str, object] = {"csr": csr, "reason": reason}
        if common_name:
            body["commonName"] = common_name
        if sans:
            body["subjectAlternativeNames"] = list(sans)  # a list here, a text in `enroll`
        path = f"/ssl/v1/replace/{ssl_id:d}"
        self._nothing(Call("replace", "POST", path, body=body, send_before=send_before))

    def revoke(self, ssl_id: int, code: RevocationReason, reason: str) -> None:
        """Revoke what is issued under this id now: after `replace` that is the new certificate.

        Raises AlreadyDone if it isn't issued (any more).
        """
        path = f"/ssl/v1/revoke/{ssl_id:d}"
        self._nothing(Call("revoke", "POST", path, body=_because(code, reason)))

    def revoke_by_serial(self, serial: str, code: RevocationReason, reason: str) -> None:
        """Revoke one certificate. Raises AlreadyDone if it isn't issued (any more).

        With colons the serial number is sent byte for byte as given; without, it is filled up to
        whole bytes. Raises ValueError if it isn't a hexadecimal number.
        """
        path = f"/ssl/v1/revoke/serial/{colons(serial)}"
        self._nothing(Call("revoke_by_serial", "POST", path, body=_because(code, reason)))

    def approve(self, ssl_id: int, message: str) -> None:
        """Approve an order that waits for it; SCM wants a message."""
        path = f"/ssl/v1/approve/{ssl_id:d}"
        self._nothing(Call("approve", "POST", path, body={"message": message}))

    def decline(self, ssl_id: int, message: str) -> None:
        """Decline an order that waits for approval; SCM wants a message."""
        path = f"/ssl/v1/decline/{ssl_id:d}"
        self._nothing(Call("decline", "POST", path, body={"message": message}))


def colons(serial: str) -> str:
    """A serial number as SCM writes it: `0ABC` and `abc` are `0A:BC`."""
    serial = serial.strip().upper()
    if re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2})+", serial):
        return serial
    if not re.fullmatch(r"[0-9A-F]{1,128}", serial):
        raise ValueError("a serial number is hexadecimal, with or without colons between its bytes")
    return ":".join(re.findall("..", serial.zfill(len(serial) + len(serial) % 2)))


def _because(code: RevocationReason, reason: str) -> dict[str, object]:
    return {"reasonCode": int(code), "reason": reason}  # the code is a number on v1
