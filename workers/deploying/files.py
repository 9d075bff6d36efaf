"""Files and environment variables that a deploy hook gets for a certificate."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from certline.models import Certificate, OrderKind
from certline.workers.deploying.folder import File
from certline.workers.keys import Chain, from_pem, jks, pem, pem_bundle, pkcs12

CERTIFICATE, CHAIN, FULLCHAIN = "certificate.pem", "chain.pem", "fullchain.pem"
KEY, PASSWORD = "private-key.pem", "keystore-password"
KEYSTORES = {"PKCS12": "keystore.p12", "JKS": "keystore.jks"}

# Environment variable that holds the path of each file.
VARIABLES = {
    CERTIFICATE: "CERTLINE_CERTIFICATE_FILE",
    CHAIN: "CERTLINE_CHAIN_FILE",
    FULLCHAIN: "CERTLINE_FULLCHAIN_FILE",
    KEY: "CERTLINE_KEY_FILE",
    KEYSTORES["PKCS12"]: "CERTLINE_KEYSTORE_FILE",
    KEYSTORES["JKS"]: "CERTLINE_KEYSTORE_FILE",
    PASSWORD: "CERTLINE_KEYSTORE_PASSWORD_FILE",
}


@dataclass(frozen=True)
class Secrets:
    """Decrypted key (PEM) and keystore password of a certificate, which must stay in memory."""

    key: bytes | None = field(repr=False)
    password: str | None = field(repr=False)


def files_of(certificate: Certificate, own: Secrets) -> list[File]:
    """Return the files of a certificate: with its key if we store the key, and with a keystore if one was
    ordered. Raises ValueError if the password is not usable for a JKS.
    """
    issuers = tuple(_read(issuer) for issuer in certificate.issuers)
    chain = Chain(_read(certificate.leaf), issuers)
    return [
        File(CERTIFICATE, pem(chain.leaf).encode()),
        File(CHAIN, "".join(pem(issuer) for issuer in issuers).encode()),
        File(FULLCHAIN, pem_bundle(None, chain)),
        *_secret_files(certificate, chain, own),
    ]


def _secret_files(certificate: Certificate, chain: Chain, own: Secrets) -> Iterator[File]:
    if own.key is None:
        return
    yield File(KEY, own.key, is_secret=True)
    name, password = certificate.common_name, own.password
    store = KEYSTORES.get(certificate.keystore_type)
    if store is None or password is None:
        return
    make = jks if certificate.keystore_type == "JKS" else pkcs12
    yield File(store, make(from_pem(own.key), chain, name, password), is_secret=True)
    yield File(PASSWORD, password.encode(), is_secret=True)


def facts_of(
    certificate: Certificate, kind: OrderKind, account: str, hook: str, folder: Path
) -> dict[str, str]:
    """Return a hook's environment variables about the certificate and its folder. None of them is secret."""
    return {
        "CERTLINE_HOOK": hook,
        "CERTLINE_EVENT": event_of(certificate, kind),
        "CERTLINE_ACCOUNT": account,
        "CERTLINE_CERTIFICATE_ID": certificate.id,
        "CERTLINE_LINE_ID": certificate.line_id,
        "CERTLINE_SCM_ID": str(certificate.scm_id),
        "CERTLINE_COMMON_NAME": certificate.common_name,
        "CERTLINE_SANS": " ".join(certificate.sans),
        "CERTLINE_SERIAL_NUMBER": certificate.serial_number,
        "CERTLINE_SHA256_FINGERPRINT": certificate.sha256_fingerprint,
        "CERTLINE_NOT_BEFORE": certificate.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "CERTLINE_NOT_AFTER": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "CERTLINE_DIRECTORY": str(folder),
    }


def places_of(files: list[File], folder: Path) -> dict[str, str]:
    """Return the environment variables that hold the paths of the files."""
    return {VARIABLES[file.name]: str(folder / file.name) for file in files}


def event_of(certificate: Certificate, kind: OrderKind) -> str:
    """Return the type of the event that made the hook run, such as `certificate.renewed`."""
    if certificate.supersedes_id is None:
        return "certificate.stored"
    return "certificate.reissued" if kind is OrderKind.REISSUE else "certificate.renewed"


def _read(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())
