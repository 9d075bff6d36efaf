"""Export of a stored certificate in the formats that servers load."""

from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certline.cli.errors import Fault
from certline.models import Certificate, Database, PrivateKey
from certline.models.vault import Vault
from certline.workers.keys import (
    Chain,
    from_pem,
    jks,
    password_problem,
    pem,
    pem_bundle,
    pkcs7_bundle,
    pkcs12,
    to_pem,
)
from certline.workers.keys import PrivateKey as KeyPair

# Each format with its file name extension.
ENDINGS = {
    "pem": "pem",
    "pkcs12": "p12",
    "jks": "jks",
    "key": "key",
    "leaf": "pem",
    "chain": "pem",
    "fullchain": "pem",
    "pkcs7": "p7b",
    "der": "der",
}
FORMATS = tuple(ENDINGS)
# The formats that contain issuers.
WITH_ISSUERS = frozenset({"pem", "pkcs12", "jks", "chain", "fullchain", "pkcs7"})
BINARY = frozenset({"pkcs12", "jks", "der"})
# The formats that are protected by the keystore's password.
KEYSTORES = frozenset({"pkcs12", "jks"})


@dataclass(frozen=True)
class Export:
    """The content of an exported file, whether it includes the private key, and a warning about its password."""

    content: bytes = field(repr=False)
    has_key: bool
    warning: str | None = None


def preferred(certificate: Certificate) -> str:
    """Return the format that was ordered, or `pem` if the private key is not stored."""
    # A keystore cannot be made without the private key, as after an import or with the user's own
    # CSR.
    return "pem" if certificate.key_id is None else certificate.keystore_type.lower()


def exported(
    database: Database,
    vault: Vault,
    certificate: Certificate,
    form: str,
    *,
    legacy: bool = False,
    with_root: bool = False,
) -> Export:
    """Return a certificate in one of FORMATS. `legacy`: PKCS#12 with old algorithms.

    `with_root`: with the root at the end of the issuers, which servers needn't send. Raises Fault if the format
    or the root is not possible for the certificate, WrongSecretKeyError if its key or its keystore's password
    cannot be decrypted.
    """
    chain = _chain(certificate, with_root=with_root)
    match form:
        case "der":
            return Export(chain.leaf.public_bytes(Encoding.DER), has_key=False)
        case "leaf":
            return Export(pem(chain.leaf).encode(), has_key=False)
        case "chain":
            if not chain.issuers:
                raise _without_issuers(certificate)
            return Export("".join(pem(issuer) for issuer in chain.issuers).encode(), has_key=False)
        case "fullchain":
            return Export(pem_bundle(None, chain), has_key=False)
        case "pkcs7":
            return Export(pkcs7_bundle(chain), has_key=False)
        case "pem":
            key = _key(database, vault, certificate)
            return Export(pem_bundle(key, chain), has_key=key is not None)
        case "key":
            return Export(to_pem(_required_key(database, vault, certificate, form)), has_key=True)
        case _:
            key = _required_key(database, vault, certificate, form)
            name, password = certificate.common_name, _password(vault, certificate)
            if form == "jks":
                return Export(_jks(key, chain, name, password), has_key=True)
            content = pkcs12(key, chain, name, password, legacy=legacy)
            # A password that was given for another type, or before passwords were checked.
            return Export(content, has_key=True, warning=password_problem("PKCS12", password))


def export_document(
    certificate: Certificate, export: Export, form: str, output: str
) -> dict[str, Any]:
    """Return a description of an export."""
    return {
        "certificate_id": certificate.id,
        "format": form,
        "output": output,
        "has_private_key": export.has_key,
        "size": len(export.content),
    }


def _chain(certificate: Certificate, *, with_root: bool) -> Chain:
    """Return the chain of a certificate. Raises Fault if its root is wanted and not known."""
    chain = Chain(_read(certificate.leaf), tuple(_read(issuer) for issuer in certificate.issuers))
    if not with_root:
        return chain.below_the_root()
    if not chain.issuers:
        raise _without_issuers(certificate)
    if chain.root is None:
        raise Fault(
            f"the root of certificate {certificate.id} is not known: SCM sent its issuers without it",
            hint=(
                f"The issuers end with {chain.issuers[-1].subject.rfc4514_string()}; get the root "
                f"{chain.issuers[-1].issuer.rfc4514_string()} from the CA, or export without --with-root"
            ),
        )
    return chain


def _without_issuers(certificate: Certificate) -> Fault:
    if certificate.issuers:
        return Fault(
            f"certificate {certificate.id} was issued by its root: there is no issuer between the two",
            hint="--with-root writes the root",
        )
    return Fault(
        f"certificate {certificate.id} has no issuers: it is self-signed, no CA has issued it"
    )


def _jks(key: KeyPair, chain: Chain, name: str, password: str) -> bytes:
    try:
        return jks(key, chain, name, password)
    except ValueError as error:
        raise Fault(str(error), hint="Java also reads PKCS#12: --format pkcs12") from None


def _read(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def _password(vault: Vault, certificate: Certificate) -> str:
    if certificate.keystore_password_sealed is None:
        raise Fault(f"certificate {certificate.id} has no keystore password")
    return vault.open(certificate.keystore_password_sealed).decode()


def _required_key(database: Database, vault: Vault, certificate: Certificate, form: str) -> KeyPair:
    key = _key(database, vault, certificate)
    if key is None:
        raise Fault(
            f"the private key of {certificate.common_name} is not stored, and --format {form} "
            "needs it; use --format fullchain"
        )
    return key


def _key(database: Database, vault: Vault, certificate: Certificate) -> KeyPair | None:
    if certificate.key_id is None:
        return None
    with database.transaction() as db:
        sealed = db.get_one(PrivateKey, certificate.key_id).pem_sealed
    return from_pem(vault.open(sealed))
