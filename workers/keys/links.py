"""Links between the certificates of a response: who is named as whose issuer, and who is it, in bounded work."""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from cryptography import x509

from certline.workers.keys.ca_roles import can_be_above, has_signed, may_issue
from certline.workers.keys.errors import Broken

# Signatures that are verified for one chain at most. A usual one has 2 to 4; each certificate of a CA that has the
# same name as another one adds some.
MOST_SIGNATURES = 60


class Links:
    """The links between some certificates; each signature is verified once at most."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self._named: dict[x509.Name, list[x509.Certificate]] = defaultdict(list)
        for cert in certificates:
            self._named[cert.subject].append(cert)
        self._found: dict[tuple[x509.Certificate, x509.Certificate], bool] = {}

    def above(self, cert: x509.Certificate) -> list[x509.Certificate]:
        """Return the certificates whose subject is named as the issuer, in the order given."""
        return self._named.get(cert.issuer, [])

    def issued(self, issuer: x509.Certificate, cert: x509.Certificate) -> bool:
        """Return True if `issuer` may issue certificates and has signed this one.

        Raises Broken once MOST_SIGNATURES have been verified.
        """
        found = self._found.get((issuer, cert))
        if found is None:
            if len(self._found) >= MOST_SIGNATURES:
                raise Broken(f"more than {MOST_SIGNATURES} signatures would have to be verified")
            # The same CA certificates arrive with every leaf, so verified links between CAs are cached.
            verify = _issued_to_a_ca if may_issue(cert) else _has_issued
            found = self._found[issuer, cert] = verify(issuer, cert)
        return found


@lru_cache(maxsize=256)
def _issued_to_a_ca(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    return _has_issued(issuer, cert)


def _has_issued(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    return can_be_above(issuer) and has_signed(issuer, cert)
