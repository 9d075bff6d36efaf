"""Facts of a single certificate; every one is read within `outside_data`, since cryptography parses lazily."""

import hashlib
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certline.workers.keys.errors import Unreadable, outside_data
from certline.workers.keys.key_pair import public_key_sha256


def require_sound(cert: x509.Certificate) -> None:
    """Check that everything but key and extensions can be read. Raises Unreadable."""
    with outside_data("the certificate"):
        _ = (cert.subject.rfc4514_string(), cert.issuer.rfc4514_string(), cert.serial_number)
        _ = (cert.not_valid_before_utc, cert.not_valid_after_utc)


def fingerprint_sha256(cert: x509.Certificate) -> str:
    """Return the hex SHA-256 of the DER certificate, in lower case."""
    return hashlib.sha256(cert.public_bytes(Encoding.DER)).hexdigest()


def serial_hex(cert: x509.Certificate) -> str:
    """Return the serial number in lower-case hex without leading zeros, as normalised by workers.scm."""
    return f"{cert.serial_number:x}"


def pem(cert: x509.Certificate) -> str:
    """Return the certificate in PEM, with a final line break."""
    return cert.public_bytes(Encoding.PEM).decode()


def key_sha256(cert: x509.Certificate) -> str:
    """Return the hex SHA-256 of the certificate's public key; "" for a key that can't be read."""
    try:
        with outside_data("its key"):
            return public_key_sha256(cert.public_key())
    except Unreadable:
        return ""


def is_valid_at(cert: x509.Certificate, moment: datetime) -> bool:
    """Return True if the time lies in the certificate's validity."""
    return cert.not_valid_before_utc <= moment <= cert.not_valid_after_utc


def names_itself(cert: x509.Certificate) -> bool:
    """Return True if the certificate's issuer has the name of its subject."""
    return bool(cert.subject.rdns) and cert.subject == cert.issuer


def is_ca(cert: x509.Certificate) -> bool | None:
    """Return whether the certificate says that it is a CA's; None if it doesn't say, as old roots don't.

    Raises Unreadable if its extensions can't be read.
    """
    with outside_data("its extensions"):
        try:
            return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            return None


def dns_names(cert: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names of the SAN extension, in their order; empty without the extension.

    Raises Unreadable.
    """
    return tuple(name.value for name in _general_names(cert) if isinstance(name, x509.DNSName))


def other_names(cert: x509.Certificate) -> tuple[str, ...]:
    """Return the names of the SAN extension that are no DNS names, as `IP:192.0.2.7` or `email:a@b.example`.

    The kinds are written as in OpenSSL's configuration. Raises Unreadable.
    """
    with outside_data("its alternative names"):
        found = (_written(name) for name in _general_names(cert))
        return tuple(name for name in found if name is not None)


def _general_names(cert: x509.Certificate) -> list[x509.GeneralName]:
    with outside_data("its alternative names"):
        try:
            return list(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            return []


def _written(name: x509.GeneralName) -> str | None:
    match name:
        case x509.DNSName():
            return None
        case x509.IPAddress():
            return f"IP:{name.value}"
        case x509.RFC822Name():
            return f"email:{name.value}"
        case x509.UniformResourceIdentifier():
            return f"URI:{name.value}"
        case x509.DirectoryName():
            return f"dirName:{name.value.rfc4514_string()}"
        case x509.RegisteredID():
            return f"RID:{name.value.dotted_string}"
        case x509.OtherName():
            return f"otherName:{name.type_id.dotted_string};{name.value.hex()}"
        case _:
            raise ValueError(f"an unknown kind of name, {type(name).__name__}")
