"""Keys and CSRs of orders: generated, read from the CSR that an order came with, or used again."""

from dataclasses import dataclass

from certline.models import PrivateKey
from certline.models.ciphers.place import SecretPlace
from certline.models.commands.payloads import OrderCommand
from certline.models.csr.armor import SigningRequestError
from certline.models.csr.request import read_request
from certline.models.database.base import new_id
from certline.models.database.secret_place import place_of, secret_place
from certline.models.orders.checks import usual_key
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.keys import key_pair
from certline.workers.keys.csr import sign_request
from certline.workers.keys.password import password_problem


@dataclass(frozen=True)
class KeyMaterial:
    """The CSR of an order, with its private key encrypted by the vault in `pem_sealed`.

    `pem_sealed` is None if the requester keeps the key, or if the key is stored already. `key_id`: the id of the
    key's row, new or stored; None if the requester keeps the key.
    """

    csr: str
    public_key_sha256: str
    algorithm: str
    size: str
    pem_sealed: bytes | None
    key_id: str | None = None

    @property
    def is_used_again(self) -> bool:
        """True if the key is stored already."""
        return self.key_id is not None and self.pem_sealed is None


def make_key(wanted: OrderCommand, vault: Vault) -> KeyMaterial:
    """Generate the order's key and CSR, or read the CSR that the order came with.

    Slow for RSA: call it with no transaction open. Raises BadCommandError if the given CSR can't be used.
    """
    if wanted.csr is not None:
        try:
            given = read_request(wanted.csr)
        except SigningRequestError as error:
            raise BadCommandError([f"csr: {error}"]) from None
        digest = key_pair.public_key_sha256(given.key.key)
        return KeyMaterial(given.pem, digest, given.key.algorithm, given.key.size, None)
    algorithm, size = usual_key(None, wanted.key_algorithm, wanted.key_size)
    key = key_pair.generate(algorithm, size)
    key_id = new_id()
    place = secret_place(PrivateKey.__tablename__, PrivateKey.pem_sealed.key, key_id)
    return KeyMaterial(
        csr=sign_request(key, wanted.common_name, wanted.sans),
        public_key_sha256=key_pair.public_key_sha256(key.public_key()),
        algorithm=algorithm,
        size=size,
        pem_sealed=vault.seal(key_pair.to_pem(key), place),
        key_id=key_id,
    )


def password_problems(wanted: OrderCommand, vault: Vault, place: SecretPlace) -> list[str]:
    """Return why the keystore could not be opened with the password of an order; empty if it can be.

    `place`: what the password is bound to. A password that the vault can't decrypt is not judged: it was accepted
    before a rotation of secret keys.
    """
    if wanted.keystore_password_sealed is None:
        return []
    try:
        password = vault.open(wanted.keystore_password_sealed.encode(), place).decode()
    except WrongSecretKeyError:
        return []
    except UnicodeDecodeError:
        return ["keystore_password_sealed: is not text in UTF-8"]
    problem = password_problem(wanted.keystore_type, password)
    return [] if problem is None else [f"keystore_password_sealed: {problem}"]


def use_key_again(wanted: OrderCommand, key: PrivateKey, vault: Vault) -> KeyMaterial:
    """Create a new CSR for a stored key. Raises WrongSecretKeyError if the vault can't decrypt the key."""
    pair = key_pair.from_pem(vault.open(key.pem_sealed, place_of(key, "pem_sealed")))
    return KeyMaterial(
        csr=sign_request(pair, wanted.common_name, wanted.sans),
        public_key_sha256=key.public_key_sha256,
        algorithm=key.algorithm,
        size=key.size,
        pem_sealed=None,
        key_id=key.id,
    )
