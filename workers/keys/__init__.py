"""Pure functions for key pairs, CSRs, chains and keystores; no I/O."""

from certline.workers.keys.certificate import (
    dns_names,
    fingerprint_sha256,
    other_names,
    pem,
    serial_hex,
)
from certline.workers.keys.chain import Chain, build_chain, read_certificates
from certline.workers.keys.csr import sign_request
from certline.workers.keys.errors import Broken, ChainError, NoMatch, Unreadable, Unusable
from certline.workers.keys.jks import jks
from certline.workers.keys.key_pair import (
    PrivateKey,
    PublicKey,
    describe,
    from_pem,
    generate,
    public_key_sha256,
    to_pem,
)
from certline.workers.keys.keystore import generate_password, pem_bundle, pkcs7_bundle, pkcs12
from certline.workers.keys.password import password_problem

__all__ = [
    "Broken",
    "Chain",
    "ChainError",
    "NoMatch",
    "PrivateKey",
    "PublicKey",
    "Unreadable",
    "Unusable",
    "build_chain",
    "describe",
    "dns_names",
    "fingerprint_sha256",
    "from_pem",
    "generate",
    "generate_password",
    "jks",
    "other_names",
    "password_problem",
    "pem",
    "pem_bundle",
    "pkcs7_bundle",
    "pkcs12",
    "public_key_sha256",
    "read_certificates",
    "serial_hex",
    "sign_request",
    "to_pem",
]
