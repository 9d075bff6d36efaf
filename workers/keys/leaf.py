"""Reads the columns of a certificate's row from its leaf and chain."""

from typing import Any

from certline.workers.keys.chain import Chain, dns_names, fingerprint_sha256, pem, serial_hex
from certline.workers.keys.key_pair import describe


def leaf_columns(chain: Chain) -> dict[str, Any]:
    """Return the Certificate columns that come from the leaf and its chain.

    Raises ValueError if the key is neither RSA nor EC.
    """
    leaf = chain.leaf
    algorithm, size = describe(leaf.public_key())
    return {
        "sans": list(dns_names(leaf)),
        "serial_number": serial_hex(leaf),
        "sha256_fingerprint": fingerprint_sha256(leaf),
        "issuer": leaf.issuer.rfc4514_string(),
        "not_before": leaf.not_valid_before_utc,
        "not_after": leaf.not_valid_after_utc,
        "key_algorithm": algorithm,
        "key_size": size,
        "leaf": pem(leaf),
        "issuers": [pem(issuer) for issuer in chain.issuers],
    }
