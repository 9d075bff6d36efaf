"""Pure functions for key pairs, CSRs, chains and keystores; no I/O."""

from certline.workers.keys.chain import (
    Broken,
    Chain,
    ChainError,
    NoMatch,
    Unreadable,
    build_chain,
    dns_names,
    fingerprint_sha256,
    pem,
    read_certificates,
    serial_hex,
)
from certline.workers.keys.csr import Request, read_request, sign_request
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
    "Request",
    "Unreadable",
    "build_chain",
    "describe",
    "dns_names",
    "fingerprint_sha256",
    "from_pem",
    "generate",
    "generate_password",
    "jks",
    "password_problem",
    "pem",
    "pem_bundle",
    "pkcs7_bundle",
    "pkcs12",
    "public_key_sha256",
    "read_certificates",
    "read_request",
    "serial_hex",
    "sign_request",
    "to_pem",
]
