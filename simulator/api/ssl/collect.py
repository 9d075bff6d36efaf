"""Handler that returns a certificate in each of SCM's formats and orders."""

import re
from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.state import records as status
from certline.simulator.state.records import Issue, Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Refusal
from certline.simulator.wire.dates import now

Form = Callable[[x509.Certificate, list[x509.Certificate]], bytes]


def collect(asked: SimRequest) -> Response:
    """Return the certificate; `format` is in the query or at the end of the path."""
    name = asked.path.get("format") or asked.query.get("format") or "base64"
    if name not in FORMATS:
        raise Refusal(-126, f"Unknown format: {name}")
    record = asked.record(asked.id(), reading=True)
    issue = _collectable(asked.scm, record)
    leaf = asked.scm.certificate(record, issue)
    body = FORMATS[name](leaf, [asked.scm.authority.issuing, asked.scm.authority.root])
    file = re.sub(r"[^A-Za-z0-9-]", "_", record.common_name)
    return Response(
        body,
        headers={
            "Content-Type": "application/octet-stream;charset=UTF-8",
            "Content-Disposition": f'attachment; filename="{file}.cer"',
        },
    )


def _collectable(scm: Scm, record: Record) -> Issue:
    if record.status == status.REVOKED:
        raise Refusal(-110, "The certificate is revoked and cannot be downloaded.")
    if record.status in status.PENDING:
        if record.earlier and scm.settings.replace_collects_old:
            return record.earlier[-1]
        raise _pending(scm)
    if record.issue is None:
        raise Refusal(-130, f"The state of the certificate is {record.status}, not ISSUED.")
    ready = record.issued_at and record.issued_at + timedelta(
        milliseconds=scm.settings.collect_lag_ms
    )
    if ready and now() < ready:
        raise _pending(scm)
    return record.issue


def _pending(scm: Scm) -> Refusal:
    code = scm.settings.pending_code
    if code == -183:
        return Refusal(code, "Certificate is not collectable.")
    return Refusal(code, "Being processed by Sectigo")


def _pem(*certificates: x509.Certificate) -> bytes:
    # As with SCM, the text may end without a newline, so clients that concatenate two responses get tested.
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates).rstrip()


def _pkcs7(encoding: Encoding) -> Form:
    return lambda leaf, above: pkcs7.serialize_certificates([leaf, *above], encoding)


def _leaf(leaf: x509.Certificate, _above: list[x509.Certificate]) -> bytes:
    return _pem(leaf)


def _root_first(leaf: x509.Certificate, above: list[x509.Certificate]) -> bytes:
    return _pem(*reversed(above), leaf)


# By SCM's name of the format. `above` holds the issuing CA, then the root.
FORMATS: dict[str, Form] = {
    "base64": _pkcs7(Encoding.PEM),
    "bin": _pkcs7(Encoding.DER),
    "x509": _root_first,
    "x509CO": _leaf,
    "x509IO": lambda _, above: _pem(*reversed(above)),
    "x509IOR": lambda _, above: _pem(*above),
    "x509R": lambda leaf, above: _pem(leaf, *above),
    "pem": _root_first,
    "pemco": _leaf,
    "pemia": lambda leaf, above: _pem(leaf, above[0]),
}
