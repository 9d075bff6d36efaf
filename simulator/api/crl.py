"""Handlers for the CRLs that the CA's certificates point to."""

from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from certline.simulator.state.records import Issue
from certline.simulator.state.scm import Scm
from certline.simulator.wire.dates import now

REASONS = {
    1: x509.ReasonFlags.key_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
}


def routes(scm: Scm) -> list[Route]:
    """Return the routes of the two CRLs, in DER and without login."""

    def served(make: Callable[[], x509.CertificateRevocationList]) -> Callable[..., Response]:
        # Not cached, so that a client that fetches the CRL after a revocation sees it.
        headers = {"Cache-Control": "no-store"}
        return lambda _: Response(
            make().public_bytes(Encoding.DER), media_type="application/pkix-crl", headers=headers
        )

    async def issuing(request: Request) -> Response:
        return served(lambda: scm.authority.revocations(revoked(scm)))(request)

    async def root(request: Request) -> Response:
        return served(scm.authority.root_revocations)(request)

    return [Route("/crl/issuing.crl", issuing), Route("/crl/root.crl", root)]


def revoked(scm: Scm) -> Iterable[x509.RevokedCertificate]:
    """Yield an entry for every certificate that the CA has revoked."""
    for record in scm.records.values():
        for issue in (record.issue, *record.earlier):
            if issue is not None and issue.revoked_at is not None:
                yield _entry(issue)


def _entry(issue: Issue) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(issue.serial)
    builder = builder.revocation_date(issue.revoked_at or now())
    # RFC 5280: the reason code "unspecified" should be omitted.
    if reason := REASONS.get(issue.reason_code):
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()
