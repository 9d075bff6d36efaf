"""Checks a TLS client certificate, and loads it into an SSL context without leaving a usable key on disk."""

import secrets
import ssl
import tempfile

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from urllib3.util.ssl_ import create_urllib3_context


def check_pair(certificate_pem: bytes, key_pem: bytes) -> None:
    """Raise ValueError unless these are a certificate and its private key; the text never shows the key."""
    certificate, key = _read(certificate_pem, key_pem)
    if certificate.public_key() != key.public_key():
        raise ValueError("key_pem isn't the key of the first certificate in certificate_pem")


def parsed_pair(certificate_pem: bytes, key_pem: bytes) -> tuple[str, str]:
    """Return the certificates and the private key that these texts hold, as PEM written by us, and nothing else.

    Raises ValueError unless they are a certificate and its key; the text never shows the key.
    """
    check_pair(certificate_pem, key_pem)
    certificates = x509.load_pem_x509_certificates(certificate_pem)
    _, key = _read(certificate_pem, key_pem)
    written = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written.decode(), private.decode()


def client_context(certificate_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """Return an SSL context that presents this certificate; the server is verified as usual.

    Python's ssl module loads keys only from files. The temporary file has mode 0600 and is deleted before this
    returns; its key is encrypted with a random password held only in memory, so that the file is useless if the
    process is killed and leaves it behind. Raises ValueError if the pair can't be used.
    """
    context = create_urllib3_context()
    _, key = _read(certificate_pem, key_pem)
    password = secrets.token_bytes(32).hex().encode()
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with tempfile.NamedTemporaryFile(prefix="certline-") as file:
        file.write(certificate_pem.strip() + b"\n" + sealed)
        file.flush()
        try:
            context.load_cert_chain(file.name, password=password)
        except ssl.SSLError as error:
            why = error.reason
        else:
            return context
    # Raised outside the `except`, so that no traceback chains an error of the key's loading.
    raise ValueError(f"certificate_pem and key_pem can't be used for TLS: {why}")


def _read(certificate_pem: bytes, key_pem: bytes) -> tuple[x509.Certificate, PrivateKeyTypes]:
    try:
        certificate, *_ = x509.load_pem_x509_certificates(certificate_pem)
    except ValueError:
        raise ValueError("certificate_pem must be a certificate in PEM form") from None
    try:
        # Validating an RSA key is slow, and not needed: TLS would fail with an invalid one.
        key = load_pem_private_key(key_pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("key_pem must be a private key in PEM form, not encrypted") from None
    return certificate, key
