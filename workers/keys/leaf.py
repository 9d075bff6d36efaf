"""Reads the columns of a certificate's row from its leaf and chain."""

from functools import lru_cache
from typing import Any

from cryptography import x509

from certline.workers.keys.certificate import (
    dns_names,
    fingerprint_sha256,
    other_names,
    pem,
    serial_hex,
)
from certline.workers.keys.chain import Chain
from certline.workers.keys.errors import Unusable, outside_data
from certline.workers.keys.key_pair import describe
from certline.workers.keys.known_cas import MOST_KNOWN

# Bytes. RFC 5280 allows 20; this is what our index and a revocation by serial number can carry.
LONGEST_SERIAL = 64


def leaf_columns(chain: Chain) -> dict[str, Any]:
    """Return the Certificate columns that come from the leaf and its chain.

    Raises Unreadable if a part of the leaf can't be read, and Unusable if the certificate can't be stored.
    """
    leaf = chain.leaf
    with outside_data("its key"):
        public_key = leaf.public_key()
    try:
        algorithm, size = describe(public_key)
    except ValueError as odd:
        raise Unusable(f"its key is {odd}") from None
    columns: dict[str, Any] = {
        "sans": list(dns_names(leaf)),
        "other_names": list(other_names(leaf)),
        "serial_number": serial_hex(leaf),
        "sha256_fingerprint": fingerprint_sha256(leaf),
        "issuer": leaf.issuer.rfc4514_string(),
        "not_before": leaf.not_valid_before_utc,
        "not_after": leaf.not_valid_after_utc,
        "key_algorithm": algorithm,
        "key_size": size,
        "leaf": pem(leaf),
        "issuers": [_issuer_pem(issuer) for issuer in chain.issuers],
    }
    _require_storable(chain, columns)
    return columns


@lru_cache(maxsize=MOST_KNOWN)
def _issuer_pem(issuer: x509.Certificate) -> str:
    return pem(issuer)


def _require_storable(chain: Chain, columns: dict[str, Any]) -> None:
    """Check what Postgres or a later step could not take. Raises Unusable."""
    number = chain.leaf.serial_number
    if number < 0:
        raise Unusable("its serial number is negative")
    if number.bit_length() > 8 * LONGEST_SERIAL:
        raise Unusable(f"its serial number has more than {LONGEST_SERIAL} bytes")
    if columns["not_after"] <= columns["not_before"]:
        raise Unusable(
            f"it ends ({columns['not_after']:%Y-%m-%d %H:%M}) before it begins "
            f"({columns['not_before']:%Y-%m-%d %H:%M})"
        )
    for text in (columns["issuer"], *columns["sans"], *columns["other_names"]):
        if "\0" in text:
            raise Unusable(f"a name in it contains the character NUL: {text[:100]!r}")
