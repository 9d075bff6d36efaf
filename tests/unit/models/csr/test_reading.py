"""Tests of reading a signing request: one request goes on, written by us, whatever is around it."""

import subprocess
from pathlib import Path

import pytest

from certline.models.csr.armor import SigningRequestError
from certline.models.csr.request import read_request
from tests.support.signing_requests import (
    NAME,
    PRIVATE,
    dns,
    extensions,
    in_pem,
    os_version,
    request,
)

DER = request(extensions(dns(NAME)))
PEM = in_pem(DER)
MAIL = f"From: Ida <ida@nordhafen.example>\r\nSubject: Über\r\n\r\nHere it is:\r\n{PEM}\r\n-- \r\nIda\r\n"


def refusal_of(given: str | bytes) -> str:
    """Return why a text is refused."""
    with pytest.raises(SigningRequestError) as refusal:
        read_request(given)
    return str(refusal.value)


@pytest.mark.parametrize(
    "given",
    [
        PEM,
        DER,
        DER + b"\r\n",
        "\ufeff" + PEM,
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", " "),
        PEM.replace("\n", "\\n"),
        PEM.encode("utf-16"),
        PEM.encode("utf-16-le"),
        PEM.encode("utf-16-be"),
        PEM.encode("utf-32"),
        PEM.encode("utf-8-sig"),
        MAIL,
        MAIL.encode("latin-1"),
        MAIL.encode("utf-16"),
        "\n".join(f"> {line}" for line in PEM.splitlines()),
        PEM.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        "".join(PEM.splitlines()[1:-1]),
        "Certificate Request:\n    Data:\n        Public-Key: (256 bit)\n" + PEM,
        PEM + in_pem(b"0\0", "CERTIFICATE"),
    ],
    ids=range(20),
)
def test_whatever_is_around_a_request_only_the_request_goes_on(given: str | bytes) -> None:
    found = read_request(given)

    assert found.pem == PEM
    assert (found.common_name, found.names, found.others) == (NAME, (NAME,), ())
    assert read_request(found.pem) == found or found.key.size == "P-256"


def test_openssl_reads_our_pem_as_the_same_request(tmp_path: Path) -> None:
    (tmp_path / "csr.pem").write_text(read_request(MAIL).pem)

    command = "openssl req -in csr.pem -verify -noout -subject"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True)

    assert NAME in said.stdout


def test_attributes_may_be_unsorted_or_missing() -> None:
    unsorted = read_request(request(extensions(dns(NAME)), os_version()))

    assert unsorted.names == (NAME,)
    assert read_request(request(without_attributes=True)).names == ()


def test_two_requests_are_refused() -> None:
    assert "2 signing requests; give one" in refusal_of(PEM + PEM)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_request_of_another_version_is_refused_with_what_to_do(version: int) -> None:
    said = refusal_of(request(version=version))

    assert f"it says version {version + 1}" in said
    assert "openssl req -new" in said


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "no line BEGIN CERTIFICATE REQUEST"),
        ("hello", "no line BEGIN CERTIFICATE REQUEST"),
        (PEM[:300], "cut off"),
        (PEM.replace("M", "*", 1), "altered on its way"),
        (in_pem(b"0\0", "CERTIFICATE"), "but a CERTIFICATE"),
        (in_pem(b"0\0", "PUBLIC KEY"), "but a PUBLIC KEY"),
        (in_pem(DER[:-5]), "it ends too early"),
        (in_pem(DER + b"more"), "4 bytes after its end"),
        (in_pem(b"\x30\x80" + DER[4:] + b"\0\0"), "a length that DER does not allow"),
        (in_pem(DER.replace(NAME.encode(), NAME[::-1].encode(), 1)), "altered or truncated"),
        ("x" * 2**20 + "x", "far smaller"),
    ],
    ids=range(11),
)
def test_what_is_wrong_with_a_text_is_said(given: str, says: str) -> None:
    assert says in refusal_of(given)


@pytest.mark.parametrize(
    "given",
    [
        PEM + PRIVATE,
        PRIVATE + PEM,
        PRIVATE,
        (PEM + PRIVATE).encode("utf-16"),
        PEM + "here comes the PRIVATE KEY",
    ],
    ids=["after", "before", "alone", "utf-16", "words"],
)
def test_a_private_key_is_refused_and_not_repeated(given: str | bytes) -> None:
    said = refusal_of(given)

    assert "regard the key as disclosed and replace it" in said
    assert PRIVATE.splitlines()[1] not in said
