"""Finds the one signing request in what a caller gives: PEM with anything around it, Base64, UTF-16, or DER."""

import base64
import binascii
import re

from certline.models.csr.private_key import REFUSAL, holds_private_key

# Bytes that are read; the longest request that SCM takes has 32,767 characters.
LARGEST = 1024 * 1024
LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 #]{1,60})-----")
# Between the lines of a request: blanks, quotation marks of mails, and line ends as escapes.
AROUND = re.compile(r"\\[rn]|[\s>\ufeff\u200b]")
HOW = "`openssl req -new -key KEY.pem -out REQUEST.pem` writes one"


class SigningRequestError(ValueError):
    """Error for a text or file that is no signing request to send; the text says why, and what to do."""


def one_request(given: bytes) -> bytes:
    """Return the DER of the signing request. Raises SigningRequestError, for a private key too."""
    if len(given) > LARGEST:
        raise SigningRequestError(f"it has {len(given)} bytes; a signing request is far smaller")
    if holds_private_key(given) or b"PRIVATE KEY" in given.replace(b"\0", b""):
        raise SigningRequestError(f"it {REFUSAL}")
    if given[:1] == b"0" and given[1:2] >= b"\x80":  # SEQUENCE with a long length: DER
        return given
    # PEM is ASCII: in UTF-16 and UTF-32, only the NULs are in the way.
    text = given.replace(b"\0", b"").decode("latin-1")
    labels = BEGIN.findall(text)
    requests = sum(label in LABELS for label in labels)
    if requests == 1:
        return _inside(text)
    if requests:
        raise SigningRequestError(f"it holds {requests} signing requests; give one of them")
    if labels:
        raise SigningRequestError(
            f"this is not a certificate signing request but {_article(labels[0])}; {HOW}"
        )
    der = _decoded(text.strip())
    if der is None or der[:1] != b"0":
        raise SigningRequestError(
            "this is not a certificate signing request in PEM (no line BEGIN CERTIFICATE REQUEST) or DER; "
            + HOW
        )
    return der


def pem(der: bytes) -> str:
    """Return a signing request in PEM."""
    letters = base64.b64encode(der).decode()
    lines = [letters[start : start + 64] for start in range(0, len(letters), 64)]
    label = LABELS[0]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _inside(text: str) -> bytes:
    begin = next(found for found in BEGIN.finditer(text) if found[1] in LABELS)
    body, end, _ = text[begin.end() :].partition(f"-----END {begin[1]}-----")
    if not end:
        raise SigningRequestError(
            f"this is not a certificate signing request: the line END {begin[1]} is missing; "
            "it was cut off, so give the whole file"
        )
    der = _decoded(body)
    if der is None:
        raise SigningRequestError(
            "this is not a certificate signing request: between BEGIN and END is no Base64; "
            "it was altered on its way, so give the original file"
        )
    return der


def _decoded(text: str) -> bytes | None:
    # Read as Latin-1, UTF-8's byte order mark and zero-width space are three characters each.
    plain = AROUND.sub("", text.replace("ï»¿", "").replace("â\x80\x8b", ""))
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        return None


def _article(label: str) -> str:
    return f"{'an' if label[0] in 'AEIOX' else 'a'} {label}"
