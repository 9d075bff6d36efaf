"""Export of a stored certificate in the formats that servers load."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certline.cli.errors import WRONG_USE, Fault

if TYPE_CHECKING:
    from cryptography import x509

    from certline.models import Certificate, Database
    from certline.models.vault import Vault
    from certline.workers.keys import Chain
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
# Extensions of files that are of no use without the private key.
WITH_KEY = frozenset({"p12", "pfx", "jks", "key"})


# What a file's name promises, by its extension. The texts in PEM may be in any of the others.
CONTENTS = {
    "p12": {"pkcs12"},
    "pfx": {"pkcs12"},
    "jks": {"jks"},
    "p7b": {"pkcs7"},
    "p7c": {"pkcs7"},
    "der": {"der"},
    "key": {"key", "pem"},
    "pem": {"pem", "key", "leaf", "chain", "fullchain"},
    # A certificate only: a private key is not expected there.
    "crt": {"leaf", "chain", "fullchain", "der"},
    "cer": {"leaf", "chain", "fullchain", "der"},
}
# The format that an extension suggests.
SUGGESTED = {
    "p12": "pkcs12",
    "pfx": "pkcs12",
    "jks": "jks",
    "p7b": "pkcs7",
    "p7c": "pkcs7",
    "der": "der",
    "key": "key",
    "pem": "pem",
    "crt": "fullchain",
    "cer": "leaf",
}


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


def require_fitting_name(certificate: Certificate, form: str, output: str) -> None:
    """Refuse a file name that promises another content than the format that is taken by default.

    Raises Fault.
    """
    content = _content(certificate, form)
    ending = _ending(output)
    if output == "-" or content in CONTENTS.get(ending, {content}):
        return
    file = Path(output).name
    if certificate.key_id is None and ending in WITH_KEY:
        raise Fault(
            f"the private key of {certificate.common_name} is not stored, so {file} would lack what its name "
            "promises",
            code=WRONG_USE,
            hint="For the certificates alone: --format fullchain --output FILE.pem. To put them and your own "
            "key into a keystore: openssl pkcs12 -export -inkey KEYFILE -in FILE.pem -out FILE.p12",
        )
    why = "" if certificate.key_id is None else ", the keystore type that was ordered"
    raise Fault(
        f"{file} would contain {content}{why}: its name promises something else",
        code=WRONG_USE,
        hint=f"Name the format: --format {SUGGESTED[ending]}, as the name suggests, or --format {form}; or name "
        f"the file with .{ENDINGS[form]}",
    )


def promises_else(certificate: Certificate, form: str, output: str) -> bool:
    """Return True if a file name promises another content than a format that the user named."""
    content = _content(certificate, form)
    return output != "-" and content not in CONTENTS.get(_ending(output), {content})


def _content(certificate: Certificate, form: str) -> str:
    # Without the key, `pem` is what `fullchain` is.
    return "fullchain" if form == "pem" and certificate.key_id is None else form


def _ending(output: str) -> str:
    return Path(output).suffix.removeprefix(".").lower()


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
    from cryptography.hazmat.primitives.serialization import Encoding

    from certline.workers.keys import (
        password_problem,
        pem,
        pem_bundle,
        pkcs7_bundle,
        pkcs12,
        to_pem,
    )

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
    from certline.workers.keys import Chain

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
    from certline.workers.keys import jks

    try:
        return jks(key, chain, name, password)
    except ValueError as error:
        raise Fault(str(error), hint="Java also reads PKCS#12: --format pkcs12") from None


def _read(text: str) -> x509.Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(text.encode())


def _password(vault: Vault, certificate: Certificate) -> str:
    from certline.models.database.secret_place import place_of

    if certificate.keystore_password_sealed is None:
        raise Fault(f"certificate {certificate.id} has no keystore password")
    place = place_of(certificate, "keystore_password_sealed")
    return vault.open(certificate.keystore_password_sealed, place).decode()


def _required_key(database: Database, vault: Vault, certificate: Certificate, form: str) -> KeyPair:
    key = _key(database, vault, certificate)
    if key is None:
        raise Fault(
            f"the private key of {certificate.common_name} is not stored, and --format {form} "
            "needs it; use --format fullchain"
        )
    return key


def _key(database: Database, vault: Vault, certificate: Certificate) -> KeyPair | None:
    from certline.models import PrivateKey
    from certline.models.database.secret_place import place_of
    from certline.workers.keys import from_pem

    if certificate.key_id is None:
        return None
    with database.transaction() as db:
        key = db.get_one(PrivateKey, certificate.key_id)
    return from_pem(vault.open(key.pem_sealed, place_of(key, "pem_sealed")))
