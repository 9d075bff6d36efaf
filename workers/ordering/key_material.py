"""Keys and CSRs of orders: generated, read from the CSR that an order came with, or used again."""

from dataclasses import dataclass

from certline.models import PrivateKey
from certline.models.commands.payloads import OrderCommand
from certline.models.orders.checks import GivenKey, usual_key
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WrongSecretKeyError
from certline.workers.keys import key_pair
from certline.workers.keys.csr import Request, read_request, sign_request
from certline.workers.keys.password import password_problem


@dataclass(frozen=True)
class KeyMaterial:
    """The CSR of an order, with its private key encrypted by the vault in `pem_sealed`.

    `pem_sealed` is None if the requester keeps the key, or if the key is stored already as `key_id`.
    """

    csr: str
    public_key_sha256: str
    algorithm: str
    size: str
    pem_sealed: bytes | None
    key_id: str | None = None


def make_key(wanted: OrderCommand, vault: Vault) -> KeyMaterial:
    """Generate the order's key and CSR, or read the CSR that the order came with.

    Slow for RSA: call it with no transaction open. Raises BadCommandError if the given CSR can't be used.
    """
    if wanted.csr is not None:
        given = _given_request(wanted, wanted.csr)
        digest = given.public_key_sha256
        return KeyMaterial(wanted.csr, digest, given.algorithm, given.size, None)
    algorithm, size = usual_key(None, wanted.key_algorithm, wanted.key_size)
    key = key_pair.generate(algorithm, size)
    return KeyMaterial(
        csr=sign_request(key, wanted.common_name, wanted.sans),
        public_key_sha256=key_pair.public_key_sha256(key.public_key()),
        algorithm=algorithm,
        size=size,
        pem_sealed=vault.seal(key_pair.to_pem(key)),
    )


def key_of_csr(wanted: OrderCommand) -> GivenKey | None:
    """Return the key of the CSR that an order came with, None without a CSR. Raises BadCommandError."""
    if wanted.csr is None:
        return None
    given = _given_request(wanted, wanted.csr)
    return GivenKey(given.algorithm, given.size)


def password_problems(wanted: OrderCommand, vault: Vault) -> list[str]:
    """Return why the keystore could not be opened with the password of an order; empty if it can be.

    A password that the vault can't decrypt is not judged: it was accepted before a rotation of secret keys.
    """
    if wanted.keystore_password_sealed is None:
        return []
    try:
        password = vault.open(wanted.keystore_password_sealed.encode()).decode()
    except WrongSecretKeyError:
        return []
    except UnicodeDecodeError:
        return ["keystore_password_sealed: is not text in UTF-8"]
    problem = password_problem(wanted.keystore_type, password)
    return [] if problem is None else [f"keystore_password_sealed: {problem}"]


def use_key_again(wanted: OrderCommand, key: PrivateKey, vault: Vault) -> KeyMaterial:
    """Create a new CSR for a stored key. Raises WrongSecretKeyError if the vault can't decrypt the key."""
    pair = key_pair.from_pem(vault.open(key.pem_sealed))
    return KeyMaterial(
        csr=sign_request(pair, wanted.common_name, wanted.sans),
        public_key_sha256=key.public_key_sha256,
        algorithm=key.algorithm,
        size=key.size,
        pem_sealed=None,
        key_id=key.id,
    )


def _given_request(wanted: OrderCommand, csr: str) -> Request:
    """Read the requester's CSR and check its names. Raises BadCommandError."""
    try:
        given = read_request(csr)
    except ValueError as error:
        raise BadCommandError([f"csr: {error}"]) from None
    _require_ordered_names(given, wanted)
    return given


def _require_ordered_names(given: Request, wanted: OrderCommand) -> None:
    """Check that a CSR has the ordered common name and no other name than the ordered ones.

    SCM takes the common name from the CSR and may take its SANs too, but only the ordered names were checked.
    Raises BadCommandError.
    """
    problems = []
    if given.common_name.lower() != wanted.common_name:
        first = given.common_name or "no common name"
        problems.append(f"csr: it is for {first}, but the order is for {wanted.common_name}")
    ordered = {wanted.common_name, *wanted.sans}
    more = sorted({name.lower() for name in given.sans} - ordered)
    if more:
        problems.append(f"csr: it has names that are not in the order: {', '.join(more)}")
    if problems:
        raise BadCommandError(problems)
