"""Calls that list, read, update and collect certificates at SCM."""

from collections.abc import Mapping
from dataclasses import fields

from certline.workers.scm.answers import CertificatePage, CertificateRow, Details
from certline.workers.scm.api import parser
from certline.workers.scm.api.pagination import PAGE, Pages
from certline.workers.scm.errors import Garbled, NotReady, ScmError
from certline.workers.scm.inputs import AutoRenew, CertificateFilter
from certline.workers.scm.transport import json_reader
from certline.workers.scm.transport.caller import ScmCall

ALL = CertificateFilter()

# Bytes of a certificate with its chain at most. Usual are 5 to 10 kB; a certificate of 250 names has 10 more.
MOST_COLLECTED = 64 * 1024

# SCM's parameter names, where more than the spelling (snake case to `commonName`) differs.
NAMES = {"profile_id": "sslTypeId"}


class Certificates(Pages):
    """Methods for certificates that exist at SCM; none of them places an order."""

    def certificates(self, wanted: CertificateFilter = ALL) -> list[CertificateRow]:
        """Return all certificates that match the filter and are visible to this account, over all pages."""
        call = ScmCall("certificates", "GET", "/ssl/v1", parameters(wanted))
        return self._pages(call, parser.certificate_row, lambda row: row.ssl_id)

    def certificate_page(
        self, wanted: CertificateFilter = ALL, position: int = 0
    ) -> CertificatePage:
        """Return one page of that list, starting at row offset `position`; `Walk` computes the next offset."""
        call = ScmCall("certificates", "GET", "/ssl/v1", parameters(wanted))
        rows, response = self._one_with_response(
            call.with_params(size=PAGE, position=position),
            lambda raw: json_reader.rows(raw, parser.certificate_row),
        )
        return CertificatePage(tuple(rows), total_in(response.headers))

    def count_certificates(self, wanted: CertificateFilter = ALL) -> int:
        """Return the number of certificates that match the filter. Raises Garbled if SCM sends no count.

        Uses HEAD, or a page of one row at hosts that don't support HEAD.
        """
        call = ScmCall("count_certificates", "HEAD", "/ssl/v1", parameters(wanted))
        try:
            answer = self._call(call)
        except ScmError as error:
            if error.status not in {404, 405, 501}:
                raise
            short = ScmCall("count_certificates", "GET", "/ssl/v1", parameters(wanted))
            answer = self._call(short.with_params(size=1, position=0))
        total = total_in(answer.headers)
        if total is None:
            raise Garbled("count_certificates", "no X-Total-Count", status=answer.status)
        return total

    def details(self, ssl_id: int) -> Details:
        """Return a certificate's record. Raises NotFound."""
        return self._details_of(ssl_id, ScmCall("details", "GET", f"/ssl/v1/{ssl_id:d}"))

    def update(
        self,
        ssl_id: int,
        *,
        comments: str | None = None,
        external_requester: str | None = None,
        auto_renew: AutoRenew | None = None,
    ) -> Details:
        """Change fields of a record; those that are None stay as they are. Returns the changed record."""
        body: dict[str, object] = {"sslId": ssl_id}
        if comments is not None:
            body["comments"] = comments
        if external_requester is not None:
            body["externalRequester"] = external_requester
        if auto_renew is not None:
            state = "Scheduled" if auto_renew.scheduled else "Not scheduled"
            days = {} if auto_renew.days is None else {"daysBeforeExpiration": auto_renew.days}
            body["autoRenewDetails"] = {"state": state, **days}
        return self._details_of(ssl_id, ScmCall("update", "PUT", "/ssl/v1", body=body))

    def collect(self, ssl_id: int) -> bytes:
        """Return the certificate with its chain, in PEM or DER and in no reliable order.

        Raises NotReady if the certificate isn't collectable yet.
        """
        path = f"/ssl/v1/collect/{ssl_id:d}"
        call = ScmCall("collect", "GET", path, {"format": "x509"}, most_bytes=MOST_COLLECTED)
        body = self._call(call).body or b""
        if not body.strip():
            raise NotReady("collect", "an empty answer", status=200)
        # PEM, or DER (0x30: an ASN.1 sequence). SCM has been seen to send PKCS#7 for this format too.
        if b"-----BEGIN " not in body and not body.startswith(b"\x30"):
            raise Garbled("collect", "neither PEM nor DER", status=200)
        return body

    def _details_of(self, ssl_id: int, call: ScmCall) -> Details:
        found = self._one(call, parser.details)
        # The record of another certificate must never be taken for this one's.
        if found.ssl_id != ssl_id:
            raise Garbled(call.operation, f"asked for {ssl_id}, got {found.ssl_id}", status=200)
        return found


def total_in(headers: Mapping[str, str]) -> int | None:
    """Return the number of rows of a whole list from `X-Total-Count`, or None if missing or unreadable."""
    total = headers.get("X-Total-Count", "").strip()
    return int(total) if total.isascii() and total.isdigit() and len(total) <= 18 else None


def parameters(wanted: CertificateFilter) -> dict[str, int | str]:
    """Return the filter as SCM's query parameters; fields that are None or empty are left out."""
    asked = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return {
        NAMES.get(name) or _camel(name): value
        for name, value in asked.items()
        if value not in (None, "")
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
