"""What a certificate may be in a chain: leaf, issuer or root, and whether one has signed another."""

from cryptography import x509

from certline.workers.keys.certificate import is_ca, names_itself
from certline.workers.keys.errors import Unreadable, outside_data


def may_issue(cert: x509.Certificate) -> bool:
    """Return True unless the certificate says that it is no CA's; old roots don't say."""
    try:
        return is_ca(cert) is not False
    except Unreadable:
        return False


def may_be_a_leaf(cert: x509.Certificate) -> bool:
    """Return True unless the certificate names itself as its issuer, or says that it is a CA's."""
    try:
        return not names_itself(cert) and not is_ca(cert)
    except Unreadable:
        return True


def is_root(cert: x509.Certificate) -> bool:
    """Return True for a trust anchor: it names itself as its issuer, and doesn't say that it is no CA's."""
    try:
        return names_itself(cert) and is_ca(cert) is not False
    except Unreadable:
        return True


def can_be_above(cert: x509.Certificate) -> bool:
    """Return True for a certificate that may be an issuer's in a chain."""
    return may_issue(cert) or is_root(cert)


def has_signed(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    """Return True if the issuer's key has made the certificate's signature."""
    try:
        with outside_data("its signature"):
            cert.verify_directly_issued_by(issuer)
    except Unreadable:
        return False
    return True
