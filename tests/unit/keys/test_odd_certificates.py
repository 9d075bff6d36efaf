"""Tests that an odd certificate raises an error of our own, whatever the parser below raises."""

from contextlib import suppress
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certline.workers.keys import ChainError, Unreadable, Unusable, read_certificates
from certline.workers.keys.chain import build_chain, chain_of, has_key, leaf_numbered
from certline.workers.keys.errors import outside_data
from certline.workers.keys.leaf import leaf_columns
from tests.support.odd_certificates import ODD, PLAIN, ROOT, SUBJECT, UNUSUAL, signed

# cryptography warns of serial numbers that are not positive.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

SERIAL = 0xABC
SOUND = signed(SERIAL, SUBJECT, PLAIN).encode()
MANY = [*(make(SERIAL).encode() for make in (*ODD.values(), *UNUSUAL.values())), ROOT.encode()]
# Bodies whose bytes are worth changing: DER, where a byte is a byte.
BODIES = [
    *(cert.public_bytes(Encoding.DER) for cert in read_certificates(SOUND + ROOT.encode())),
    pkcs7.serialize_certificates(read_certificates(SOUND + ROOT.encode()), Encoding.DER),
]


def columns_of(body: bytes) -> dict[str, object]:
    """Read a body as an import does."""
    found = read_certificates(body)
    return leaf_columns(chain_of(leaf_numbered(found, f"{SERIAL:x}"), found))


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_certificate_says_what_is_odd_about_it(kind: str) -> None:
    with pytest.raises((Unreadable, Unusable)) as fault:
        columns_of((ODD[kind](SERIAL) + ROOT).encode())

    assert 10 < len(str(fault.value)) < 300
    assert "\0" not in str(fault.value)


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_certificate_is_stored(kind: str) -> None:
    columns = columns_of((UNUSUAL[kind](SERIAL) + ROOT).encode())

    assert columns["issuers"] != []


def test_names_of_every_kind_are_kept_apart_from_dns_names() -> None:
    columns = columns_of((UNUSUAL["every kind of name"](SERIAL) + ROOT).encode())

    assert columns["sans"] == ["odd.nordhafen.example"]
    assert columns["other_names"] == [
        "IP:192.0.2.7",
        "IP:2001:db8::7",
        "email:ops@nordhafen.example",
        "URI:https://nordhafen.example/x",
        "dirName:CN=A name",
        "RID:1.2.3.4",
        "otherName:1.2.3.4;0c0178",
    ]


@pytest.mark.parametrize(
    ("serial", "told"),
    [(-5, "is negative"), (2**520, "more than 64 bytes"), (2**160 + 1, None), (0, None)],
)
def test_a_serial_number_is_stored_if_a_revocation_can_name_it(
    serial: int, told: str | None
) -> None:
    found = read_certificates((signed(serial, SUBJECT, PLAIN) + ROOT).encode())
    chain = chain_of(leaf_numbered(found, f"{serial:x}"), found)

    if told is None:
        assert leaf_columns(chain)["serial_number"] == f"{serial:x}"
    else:
        with pytest.raises(Unusable, match=told):
            leaf_columns(chain)


def test_an_unreadable_ca_beside_a_sound_leaf_is_left_out() -> None:
    odd_root = signed(1, b"Odd Root", PLAIN, version=3)

    assert read_certificates(SOUND + odd_root.encode()) == read_certificates(SOUND)


def test_a_panic_of_the_parser_is_an_error_of_ours_and_ctrl_c_is_not() -> None:
    class PanicException(BaseException):
        """As pyo3 raises it: no Exception, and of a class that cannot be imported."""

    told = "the key can't be read: index out of bounds"
    with pytest.raises(Unreadable, match=told), outside_data("the key"):
        raise PanicException("index out of bounds")
    for other in (KeyboardInterrupt, SystemExit):
        with pytest.raises(other), outside_data("the key"):
            raise other


def test_every_public_root_ends_a_chain_and_is_its_own() -> None:
    roots = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())

    assert len(roots) > 50
    for root in roots:
        assert chain_of(root, roots).issuers == ()


def read_in_every_way(body: bytes) -> None:
    """Read a body by every reader; only ChainError may come of it."""
    found = []
    with suppress(ChainError):
        found = read_certificates(body)
    for serial in (None, f"{SERIAL:x}"):
        with suppress(ChainError):
            leaf_columns(chain_of(leaf_numbered(found, serial), found))
    for cert in found:
        with suppress(ChainError):
            leaf_columns(chain_of(cert, found))
    assert not has_key(found, "ab" * 32)
    with suppress(ChainError):
        build_chain(found, "")


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 255), st.sampled_from(["set", "cut", "add"])),
    min_size=1,
    max_size=6,
)


@given(body=st.sampled_from(BODIES), mutations=MUTATIONS)
@settings(max_examples=250)
def test_no_mutated_bytes_raise_anything_but_our_errors(
    body: bytes, mutations: list[tuple[int, int, str]]
) -> None:
    changed = bytearray(body)
    for place, byte, deed in mutations:
        at = place % len(changed)
        if deed == "set":
            changed[at] = byte
        elif deed == "cut":
            del changed[at]
        else:
            changed.insert(at, byte)
    read_in_every_way(bytes(changed))


@given(blocks=st.lists(st.sampled_from(MANY), max_size=6), rest=st.binary(max_size=40))
@example(blocks=MANY, rest=b"")
@example(blocks=[], rest=b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----")
@settings(max_examples=100)
def test_no_mixture_of_odd_certificates_raises_anything_but_our_errors(
    blocks: list[bytes], rest: bytes
) -> None:
    read_in_every_way(b"".join(blocks) + rest)


def test_a_leaf_that_an_odd_root_has_signed_has_its_chain() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    twice = PLAIN[:1] * 2
    root = signed(1, b"Odd Root", twice, by=other, key=None)
    found = read_certificates(SOUND + ROOT.encode() + root.encode())

    assert chain_of(found[0], found).issuers == (found[1],)
