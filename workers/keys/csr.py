"""Creates our own CSRs, and reads and checks those supplied by users."""

from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from certline.workers.keys.key_pair import PrivateKey, describe, public_key_sha256

# CA/Browser Forum Baseline Requirements, 6.1.5: RSA with at least 2048 bits, or one of these NIST curves.
SMALLEST_RSA = 2048
GOOD_CURVES = {"P-256", "P-384", "P-521"}
# Upper bound of RFC 5280 for a common name; SCM has the same limit.
LONGEST_COMMON_NAME = 64


@dataclass(frozen=True)
class Request:
    """Names and key of a CSR. `algorithm` and `size` are in SCM's words: "RSA" and "2048", "EC" and "P-256"."""

    common_name: str
    sans: tuple[str, ...]
    public_key_sha256: str
    algorithm: str
    size: str


def sign_request(key: PrivateKey, common_name: str, sans: tuple[str, ...] | list[str]) -> str:
    """Return a CSR in PEM. Its SAN extension has every name once, ignoring case, with the common name first.

    Raises ValueError if the common name is empty or longer than 64 characters, or if a name isn't ASCII.
    """
    if not 0 < len(common_name) <= LONGEST_COMMON_NAME:
        raise ValueError(f"a common name must have 1 to {LONGEST_COMMON_NAME} characters")
    names: dict[str, str] = {}
    for name in (common_name, *sans):
        names.setdefault(name.lower(), name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    extension = x509.SubjectAlternativeName([_general(name) for name in names.values()])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.add_extension(extension, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read_request(pem: str) -> Request:
    """Read and check a CSR in PEM.

    Raises ValueError, with a text for the user, if it can't be read, isn't signed by its own key, or has a weak
    key or signature.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        public_key = request.public_key()
        signed = request.is_signature_valid
        digest = request.signature_hash_algorithm
    except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
        raise ValueError("this is not a certificate signing request in PEM") from wrong
    # Checked before `signed`, because newer versions of cryptography report every SHA-1 signature as invalid.
    if isinstance(digest, hashes.MD5 | hashes.SHA1):
        raise ValueError(f"the request is signed with {digest.name}; use SHA-256")  # noqa: TRY004 (of a value)
    if not signed:
        raise ValueError("the request isn't signed by its own key: it was altered or truncated")
    algorithm, size = describe(public_key)
    if algorithm == "RSA" and int(size) < SMALLEST_RSA:
        raise ValueError(f"an RSA key needs {SMALLEST_RSA} bits or more; this one has {size}")
    if algorithm == "EC" and size not in GOOD_CURVES:
        raise ValueError(f"the curve {size} is not accepted; use P-256 or P-384")
    sans = _sans(request)
    common_names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common_name = str(common_names[0].value) if common_names else next(iter(sans), "")
    return Request(common_name, sans, public_key_sha256(public_key), algorithm, size)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    if not name or not name.isascii():
        raise ValueError(f"write {name!r} in ASCII (xn--…)")
    return x509.DNSName(name)


def _sans(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        extension = request.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        ).value
    except x509.ExtensionNotFound:
        return ()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as wrong:
        raise ValueError("the request's extensions can't be read") from wrong
    assert isinstance(extension, x509.SubjectAlternativeName)  # noqa: S101 (for mypy: the OID says so)
    kinds = (x509.DNSName, x509.IPAddress)
    return tuple(str(name.value) for name in extension if isinstance(name, kinds))
