"""Tests of recognising private keys, in every form in which one may come."""

import base64
import json
import subprocess
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from certline.models.csr.key_search import private_key_in, without_private_keys
from certline.models.csr.private_key import NOTICE, holds_private_key
from certline.producers.messaging.delivery import storable
from tests.support.signing_requests import KEY, PRIVATE, PRIVATE_LINE, in_pem, request

PLAIN, SEALED = NoEncryption(), BestAvailableEncryption(b"hunter2")
PKCS8, TRADITIONAL, OPENSSH = (
    PrivateFormat.PKCS8,
    PrivateFormat.TraditionalOpenSSL,
    PrivateFormat.OpenSSH,
)
RSA = rsa.generate_private_key(65537, 2048)
P521 = ec.generate_private_key(ec.SECP521R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
PEMS = [
    *(key.private_bytes(Encoding.PEM, PKCS8, PLAIN) for key in (RSA, KEY, P521, EDWARDS)),
    *(key.private_bytes(Encoding.PEM, TRADITIONAL, PLAIN) for key in (RSA, KEY, P521)),
    *(key.private_bytes(Encoding.PEM, OPENSSH, PLAIN) for key in (RSA, KEY, EDWARDS)),
    RSA.private_bytes(Encoding.PEM, PKCS8, SEALED),
]
DERS = [base64.b64decode(b"".join(pem.splitlines()[1:-1])) for pem in PEMS]
STORE = serialize_key_and_certificates(None, RSA, None, None, SEALED)


@pytest.mark.parametrize("pem", PEMS, ids=range(len(PEMS)))
def test_a_key_in_pem_is_recognised_whatever_was_done_to_its_text(pem: bytes) -> None:
    text = pem.decode()
    forms: list[bytes | str] = [
        *(pem, text, text.encode("utf-16"), text.encode("utf-16-be"), b"\xff" + pem),
        *(text.replace("\n", " "), text.replace("\n", "\\n"), json.dumps({"csr": text})),
        *(base64.b64encode(pem), f"key: {base64.b64encode(pem).decode()}", text[:40], text[-40:]),
    ]

    assert [form for form in forms if not holds_private_key(form)] == []


@pytest.mark.parametrize(
    "der", [*DERS, STORE, b"\xfe\xed\xfe\xed" + bytes(200)], ids=range(len(DERS) + 2)
)
def test_a_key_in_der_is_recognised_and_in_base64_without_a_label(der: bytes) -> None:
    letters = base64.b64encode(der).decode()
    lines = "\n".join(letters[start : start + 64] for start in range(0, len(letters), 64))

    assert holds_private_key(der)
    assert holds_private_key(letters)
    assert holds_private_key(f"MAIN key=\n{lines}\n")
    assert holds_private_key(json.dumps([lines]))


@pytest.mark.parametrize("pem", PEMS, ids=range(len(PEMS)))
def test_a_key_is_recognised_in_a_text_that_was_encoded_once_more(pem: bytes) -> None:
    text = pem.decode()
    bundle = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(bytes(900)) + b"\n" + pem
    inside = [
        *(pem, bundle, b"Bag Attributes\n" + pem, text.encode("utf-8-sig")),
        *(text.encode("utf-16"), text.encode("utf-16-be"), base64.b64encode(pem)),
    ]
    forms: list[str] = [
        *(base64.b64encode(each).decode() for each in inside),
        *(quote(text), quote_plus(text), text.replace(" ", "\xa0"), pem.hex()),
        json.dumps(json.dumps({"csr": text})),
    ]

    assert [form for form in forms if not holds_private_key(form)] == []


@pytest.mark.parametrize("der", DERS, ids=range(len(DERS)))
def test_a_key_in_der_is_recognised_in_the_forms_of_other_programs(der: bytes) -> None:
    letters = base64.b64encode(der).decode()
    forms = [
        *(base64.urlsafe_b64encode(der).decode(), base64.b64encode(letters.encode()).decode()),
        "\n".join(letters[start : start + 16] for start in range(0, len(letters), 16)),
        json.dumps({"key": letters}).replace("/", "\\/"),
    ]
    if der[0] == 0x30:  # not OpenSSH's
        forms += [der.hex(), der.hex(":"), der.hex(" ").upper(), der.decode("latin-1")]

    assert [form for form in forms if not holds_private_key(form)] == []


def test_a_key_as_a_json_web_key_and_of_dotnet_is_recognised() -> None:
    number = "q" * 86
    web_key = {"kty": "RSA", "n": number, "e": "AQAB", "d": number}

    assert holds_private_key(json.dumps(web_key))
    assert holds_private_key(json.dumps(json.dumps(web_key)))
    assert private_key_in({"data": {"custom_fields": web_key}}) == "data.custom_fields"
    assert number not in without_private_keys(json.dumps({"a": web_key}).encode()).decode()
    assert holds_private_key(f"<RSAKeyValue><Modulus>AA==</Modulus><D>{number}</D></RSAKeyValue>")


@pytest.mark.parametrize("pem", PEMS, ids=range(len(PEMS)))
def test_nothing_is_kept_of_a_key_that_comes_line_by_line(pem: bytes) -> None:
    lines = pem.decode().splitlines()
    numbered = {str(number): line for number, line in enumerate(lines)}
    for key in (lines, numbered):
        kept = without_private_keys(json.dumps({"csr": key, "a": "a.example"}).encode()).decode()

        assert [line for line in lines if len(line) >= 40 and line in kept] == []
        assert "a.example" in kept
    assert storable({"x-key": lines}) == {"x-key": [NOTICE]}


@pytest.mark.parametrize(
    "piece", ["\\", "TUlJ", "MA", "MIIEvQIBADAN ", "30", "30:", "%4D", "--A", "BEGIN A ", '"d":"']
)
def test_a_long_text_is_searched_in_seconds(piece: str) -> None:
    begun = time.monotonic()

    holds_private_key(piece * (256_000 // len(piece)))

    assert time.monotonic() - begun < 10


def test_listings_and_the_keys_of_other_programs_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(PEMS[0])
    command = "openssl pkey -in key.pem -text -noout"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)

    assert holds_private_key(said.stdout)
    assert holds_private_key("PuTTY-User-Key-File-3: ssh-ed25519")
    assert holds_private_key("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the private key was compromised",
        "PRIVATE KEY COMPROMISED",
        "we begin again with a new private key -- sorry",
        in_pem(request()),
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode(),
        "Public-Key: (2048 bit)",
        "MIIC MAIN MCMXCIX",
        "gAAAAABpJ8YcMIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    ],
    ids=range(10),
)
def test_what_is_no_key_is_not_taken_for_one(text: str) -> None:
    assert not holds_private_key(text)


def test_its_place_in_a_document_is_found() -> None:
    assert private_key_in({"data": {"sans": ["a.example", PRIVATE]}}) == "data.sans.1"
    assert private_key_in({"data": {PRIVATE: 1}}) == "data.(a name)"
    assert private_key_in({"data": {"term": 90, "again": None}}) is None


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"id": "1", "data": {"csr": PRIVATE, "sans": [PRIVATE, "a.example"]}}),
        json.dumps({"id": "1", "data": {PRIVATE: "a.example"}}),
        json.dumps({"id": "1 a.example", "csr": PRIVATE}).replace("PRIVATE", "\\u0050RIVATE"),
        json.dumps({"data": "a.example", "csr": base64.b64encode(PRIVATE.encode()).decode()}),
    ],
    ids=["values", "name", "escape", "base64"],
)
def test_a_message_is_kept_without_its_keys(body: str) -> None:
    kept = without_private_keys(body.encode()).decode()

    assert PRIVATE_LINE not in kept
    assert not holds_private_key(kept)
    assert NOTICE in kept
    assert "a.example" in kept


@pytest.mark.parametrize(
    "body",
    [
        PRIVATE.encode(),
        PRIVATE.encode("utf-16"),
        DERS[0],
        json.dumps({"csr": PRIVATE}).encode()[:-1],
        b'{"csr": "%s", "csr": 1}' % PRIVATE.replace("\n", "\\n").encode(),
        b"[" * 100_000 + PRIVATE.encode(),
    ],
    ids=["pem", "utf-16", "der", "cut off", "twice", "deep"],
)
def test_of_a_message_that_cannot_be_taken_apart_nothing_is_kept(body: bytes) -> None:
    assert without_private_keys(body) == NOTICE.encode()


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", b'{"a": NaN}', b'{"a": 1, "a": 2}'])
def test_a_message_without_a_key_is_kept_as_it_came(body: bytes) -> None:
    assert without_private_keys(body) == body
