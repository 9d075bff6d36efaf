"""Creates our own CSRs; those of users are read by `certline.models.csr`."""

from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from certline.workers.keys.key_pair import PrivateKey

# Upper bound of RFC 5280 for a common name; SCM has the same limit.
LONGEST_COMMON_NAME = 64


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


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    if not name or not name.isascii():
        raise ValueError(f"write {name!r} in ASCII (xn--…)")
    return x509.DNSName(name)
