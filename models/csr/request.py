"""A certificate signing request (PKCS#10, RFC 2986), read once where it comes in; only what was read goes on."""

from dataclasses import dataclass

from certline.models.csr import der
from certline.models.csr.armor import SigningRequestError, one_request, pem
from certline.models.csr.der import DerError
from certline.models.csr.names import names_of
from certline.models.csr.public_key import RequestKey, key_of, require_signature

# Characters (SCM document: limits).
LONGEST = 32767


@dataclass(frozen=True)
class SigningRequest:
    """A request that is signed by its own key. `pem`: written by us, from its DER.

    `common_names`: those of the subject; `names`: all host names and addresses in SAN, of each attribute that asks
    for extensions; `others`: descriptions of names that no TLS certificate of SCM can have.
    """

    pem: str
    common_names: tuple[str, ...]
    names: tuple[str, ...]
    others: tuple[str, ...]
    key: RequestKey

    @property
    def common_name(self) -> str:
        """The common name; without one the first alternative name, or nothing."""
        return next(iter((*self.common_names, *self.names)), "")


def read_request(given: str | bytes) -> SigningRequest:
    """Read the one signing request in a text or file.

    PEM may have any text around it, and DER, Base64 and UTF-16 are read too. Raises SigningRequestError, with a
    text for people, for anything that CAs refuse, and for whatever holds a private key.
    """
    raw = given.encode("utf-8", "replace") if isinstance(given, str) else given
    encoded = one_request(raw)
    try:
        return _read(encoded)
    except DerError as wrong:
        raise SigningRequestError(
            f"this is not a certificate signing request that can be read: {wrong}; give the original file, "
            "or make the request anew"
        ) from None


def _read(encoded: bytes) -> SigningRequest:
    whole, rest = der.first_value(encoded)
    if rest.strip():
        raise DerError(f"{len(rest)} bytes after its end")
    info, algorithm, signature = der.inside(whole, der.SEQUENCE, least=3, most=3)
    # RFC 2986 demands attributes, even if there are none; some devices leave the field out.
    version, subject, public_key, *attributes = der.inside(info, der.SEQUENCE, least=3, most=4)
    number = der.integer(version)
    if number != 0:
        raise SigningRequestError(
            f"it says version {number + 1}, but PKCS#10 has version 1 only: make the request anew, for instance "
            "with `openssl req -new`"
        )
    key = key_of(public_key)
    require_signature(info.whole, algorithm, der.bits(signature), key)
    names = names_of(subject, attributes[0] if attributes else None)
    written = pem(whole.whole)
    if len(written) > LONGEST:
        raise SigningRequestError(
            f"it has {len(written)} characters as PEM, at most {LONGEST} are allowed"
        )
    return SigningRequest(
        written, tuple(names.common), tuple(names.alternative), tuple(names.others), key
    )
