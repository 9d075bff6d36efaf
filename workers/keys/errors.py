"""Errors about certificates of others, and the border at which whatever a parser raises becomes one of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm

# Characters of a parser's text that are passed on.
LONGEST = 200

# What cryptography raises about certificates that it can't read; several of these are no ValueError.
FAULTS = (
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    InternalError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.ExtensionNotFound,
)


class ChainError(Exception):
    """The response contains no certificate that can be stored.

    ├── Unreadable   contains neither certificates nor PKCS#7, or one that can't be read
    ├── NoMatch      no certificate in it has our public key
    ├── Broken       the leaf is present, but an issuer is missing or a signature is wrong
    └── Unusable     the leaf has something that can't be stored, such as a key that is neither RSA nor EC
    """


class Unreadable(ChainError):
    """The response contains neither certificates (PEM or DER) nor PKCS#7, or its certificate can't be read."""


class NoMatch(ChainError):
    """No certificate has our public key: the response is for another order, or for the predecessor."""


class Broken(ChainError):
    """The chain is incomplete: an issuer is missing, or a signature is wrong."""


class Unusable(ChainError):
    """The leaf can be read, but not stored."""


@contextmanager
def outside_data(what: str) -> Iterator[None]:
    """Turn every error of a parser within the block into Unreadable; `what` names the part that is read."""
    try:
        yield
    except BaseException as fault:
        if not _is_about_the_data(fault):
            raise
        why = _words(fault)
    else:
        return
    # Raised outside the `except`, so that no traceback quotes the data.
    raise Unreadable(f"{what} can't be read: {why}")


def _is_about_the_data(fault: BaseException) -> bool:
    # A panic of cryptography's Rust code derives from BaseException, and its class can't be imported.
    return isinstance(fault, FAULTS) or type(fault).__name__ == "PanicException"


def _words(fault: BaseException) -> str:
    """Return the error's text as one short line that can be stored, or its type if it has none."""
    text = " ".join(str(fault).encode("utf-8", "replace").decode().replace("\0", "").split())
    return text[:LONGEST] or type(fault).__name__
