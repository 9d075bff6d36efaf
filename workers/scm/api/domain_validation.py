"""Calls that validate a domain (DCV); none of them costs money."""

from collections.abc import Callable
from typing import TypeVar

from certline.workers.scm.api import dcv_parser
from certline.workers.scm.dcv import DcvAnswer, DcvMethod, DcvProof, DcvState
from certline.workers.scm.errors import Garbled, ScmError
from certline.workers.scm.transport.caller import Caller, ScmCall
from certline.workers.scm.transport.json_reader import WrongShapeError, read_json

T = TypeVar("T")

OLDER = ("v1", "v2")
NEWER = ("v2", "v1")


class DomainValidation(Caller):
    """Methods that validate domains at SCM, one at a time.

    A domain is named as SCM lists it. SCM's hosts differ in the version of these calls they offer: after a 404
    without a code of SCM's the other version is tried, as the first has not been carried out. After OutcomeUnknown
    the call may have been carried out: `validation_status` shows how far the validation is.
    """

    def validation_status(self, domain: str) -> DcvState:
        """Return how far the validation of a domain is. Read-only, although it is a POST. Raises NotFound."""
        return self._in_version(
            NEWER,
            lambda version: self._one(
                _call("validation_status", version, "status", domain), dcv_parser.state
            ),
        )

    def start_validation(self, domain: str, method: DcvMethod) -> DcvProof:
        """Start a validation, and return what has to be published, or for EMAIL which addresses may be chosen.

        TXT can't be started at hosts that offer only v1: nothing is started there, and the proof is not known
        before the submission.
        """
        deed = f"start/domain/{method}"

        def start(version: str) -> DcvProof:
            call = _call("start_validation", version, deed, domain)
            return self._one(call, lambda raw: dcv_parser.proof(raw, method))

        if method is not DcvMethod.TXT:
            return self._in_version(OLDER, start)
        try:
            return start("v2")
        except ScmError as error:
            if not _lacks_path(error):
                raise
        return DcvProof(method)

    def submit_validation(
        self, domain: str, method: DcvMethod, email: str | None = None
    ) -> DcvAnswer:
        """Have the CA look for the proof; it does so later, so poll the status. `email`: the address for EMAIL.

        Raises ValueError if an address is missing, or is given for another method.
        """
        if (method is DcvMethod.EMAIL) != bool(email):
            raise ValueError("a validation by e-mail, and no other, needs an address")
        more = {"email": email} if email else {}

        def submit(version: str) -> DcvAnswer:
            call = _call("submit_validation", version, f"submit/domain/{method}", domain, **more)
            return self._one(call, lambda raw: dcv_parser.answer(raw, method))

        return self._in_version(OLDER, submit)

    def sync_validation(self, domain: str) -> DcvAnswer:
        """Have SCM ask the CA for the state of a domain's validation now. Harmless if it is repeated."""
        return self._in_version(
            OLDER, lambda version: self._maybe(_call("sync_validation", version, "sync", domain))
        )

    def clear_validation(self, domain: str) -> DcvAnswer:
        """Give up the validation in progress. Harmless if it is repeated."""
        return self._in_version(
            OLDER, lambda version: self._maybe(_call("clear_validation", version, "clear", domain))
        )

    def _maybe(self, call: ScmCall) -> DcvAnswer:
        """Send a call whose response may be empty, as its body isn't documented. Raises Garbled for a page."""
        answer = self._call(call)
        body = answer.body or b""
        if not body.strip():
            return DcvAnswer()
        try:
            return dcv_parser.answer(read_json(body))
        except WrongShapeError as wrong:
            why = str(wrong)
        # Raised outside the `except`, so that no traceback chains an error that quotes the body.
        raise Garbled(call.operation, why, status=answer.status)

    def _in_version(self, versions: tuple[str, str], send: Callable[[str], T]) -> T:
        first, second = versions
        try:
            return send(first)
        except ScmError as error:
            if not _lacks_path(error):
                raise
        return send(second)


def _lacks_path(error: ScmError) -> bool:
    """Return True for a 404 of a host that doesn't have the path; SCM's own code would name what is missing."""
    return error.status == 404 and error.code is None


def _call(operation: str, version: str, deed: str, domain: str, **more: str) -> ScmCall:
    params = {"force": "true"} if deed == "sync" else {}
    path = f"/dcv/{version}/validation/{deed}"
    return ScmCall(operation, "POST", path, params, {"domain": domain, **more})
