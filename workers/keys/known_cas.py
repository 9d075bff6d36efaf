"""Certificates of CAs that this process has read: the same few arrive with every leaf.

What is saved is the reading. That a CA's certificate was read before says nothing about whether it is trusted.
"""

from collections import OrderedDict
from threading import Lock

from cryptography import x509

from certline.workers.keys.ca_roles import may_issue
from certline.workers.keys.certificate import require_sound

# Certificates that are kept. An account's are rarely more than ten.
MOST_KNOWN = 64


class KnownCas:
    """The certificates of CAs that were read last, by their DER; safe to share between threads."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._known: OrderedDict[bytes, x509.Certificate] = OrderedDict()
        self._lock = Lock()

    def read(self, der: bytes) -> x509.Certificate:
        """Return the certificate in this DER: the same object as before, if it is a CA's that is known."""
        with self._lock:
            known = self._known.get(der)
            if known is not None:
                self._known.move_to_end(der)
                return known
        cert = x509.load_der_x509_certificate(der)
        require_sound(cert)
        if may_issue(cert):
            with self._lock:
                self._known[der] = cert
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
        return cert


KNOWN_CAS = KnownCas()
