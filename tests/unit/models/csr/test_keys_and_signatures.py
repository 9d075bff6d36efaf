"""Tests of the key and the signature of a signing request: what CAs refuse is refused with the rule."""

import subprocess
from pathlib import Path

import pytest

from certline.models.csr.armor import SigningRequestError
from certline.models.csr.request import read_request
from tests.support.signing_requests import NAME, oid, request, tlv


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the files of openssl."""
    return tmp_path_factory.mktemp("openssl")


def made(folder: Path, key: str, *options: str) -> bytes:
    """Return a request that openssl makes with a key; `key`: the words that make the key."""
    words = ["req", "-new", "-key", "key.pem", "-subj", f"/CN={NAME}", *options]
    for each in ([*key.split(), "-out", "key.pem"], words):
        said = subprocess.run(["openssl", *each], cwd=folder, check=True, capture_output=True)
    return said.stdout


def rsa(bits: int, *more: str) -> str:
    """Return the words that make an RSA key."""
    return " ".join(["genpkey -algorithm RSA -pkeyopt", f"rsa_keygen_bits:{bits}", *more])


@pytest.mark.parametrize(
    ("key", "options", "kind"),
    [
        (rsa(2048), (), ("RSA", "2048")),
        (rsa(3072), ("-sha384",), ("RSA", "3072")),
        (rsa(2056), ("-sha512",), ("RSA", "2056")),
        (rsa(2048), ("-sigopt", "rsa_padding_mode:pss"), ("RSA", "2048")),
        ("ecparam -name prime256v1 -genkey", (), ("EC", "P-256")),
        ("ecparam -name secp384r1 -genkey", ("-sha384",), ("EC", "P-384")),
        ("ecparam -name secp521r1 -genkey", ("-sha512",), ("EC", "P-521")),
        ("ecparam -name prime256v1 -genkey -conv_form compressed", (), ("EC", "P-256")),
    ],
)
def test_a_key_of_a_usual_kind_is_read(
    folder: Path, key: str, options: tuple[str, ...], kind: tuple[str, str]
) -> None:
    found = read_request(made(folder, key, *options)).key

    assert (found.algorithm, found.size) == kind


@pytest.mark.parametrize(
    ("key", "options", "says"),
    [
        (rsa(1024), (), "needs 2048 bits or more; this one has 1024"),
        (rsa(2048), ("-sha1",), "signed with sha1; use SHA-256"),
        (rsa(2048), ("-md5",), "signed with md5; use SHA-256"),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", (), "7.1.3.1.1"),
        ("ecparam -name prime256v1 -param_enc explicit -genkey", (), "7.1.3.1.2"),
        ("ecparam -name secp256k1 -genkey", (), "the curve secp256k1 is not accepted"),
        ("ecparam -name SM2 -genkey", (), "the curve SM2 is not accepted"),
        ("ecparam -name brainpoolP256r1 -genkey", (), "brainpoolP256r1 is not accepted"),
        ("genpkey -algorithm ED25519", (), "Ed25519, neither an RSA nor an EC key"),
        ("genpkey -algorithm ED448", (), "Ed448, neither an RSA nor an EC key"),
    ],
)
def test_what_cas_refuse_is_refused_with_the_rule(
    folder: Path, key: str, options: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SigningRequestError) as refusal:
        read_request(made(folder, key, *options))

    assert says in str(refusal.value)


def rsa_info(modulus: int, exponent: int, *parameters: bytes) -> bytes:
    """Return a SubjectPublicKeyInfo."""
    numbers = [tlv(2, n.to_bytes(n.bit_length() // 8 + 1)) for n in (modulus, exponent)]
    kind = tlv(0x30, oid("1.2.840.113549.1.1.1"), *parameters)
    return tlv(0x30, kind, tlv(3, b"\0" + tlv(0x30, *numbers)))


@pytest.mark.parametrize(
    ("public_key", "says"),
    [
        (rsa_info(2**2048 - 1, 65537), "without NULL"),
        (rsa_info(2**2048 - 1, 1, b"\5\0"), "exponent"),
        (rsa_info(2**2048 - 1, 2**65 + 1, b"\5\0"), "exponent"),
        (rsa_info(2**16400 - 1, 65537, b"\5\0"), "16400 bits"),
        (rsa_info(2**2049 - 1, 65537, b"\5\0"), "2049 bits, which CAs refuse"),
        (rsa_info(2**2047, 3, b"\5\0"), "an RSA key that is none"),
        (rsa_info(2**2048 - 1, 65537, b"\5\0"), "altered or truncated"),
        (
            tlv(0x30, tlv(0x30, oid("1.2.840.10045.2.1")), tlv(3, b"\0\4")),
            "an EC key without a curve",
        ),
        (
            tlv(
                0x30,
                tlv(0x30, oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")),
                tlv(3, b"\0\4" + bytes(64)),
            ),
            "no point of P-256",
        ),
    ],
    ids=["no null", "1", "long", "large", "2049", "even", "odd", "no curve", "no point"],
)
def test_a_key_that_is_none_is_refused(public_key: bytes, says: str) -> None:
    with pytest.raises(SigningRequestError) as refusal:
        read_request(request(public_key=public_key))

    assert says in str(refusal.value)
