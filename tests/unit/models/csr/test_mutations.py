"""Property tests: whatever is done to a signing request, it is read, or refused with the reader's own error."""

import base64

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certline.models.commands.payloads import OrderCommand, read_payload
from certline.models.csr.armor import SigningRequestError
from certline.models.csr.request import read_request
from certline.models.validation import BadCommandError
from certline.workers.keys import generate, sign_request
from tests.support.signing_requests import (
    DEVICE_NAME,
    MAIL_ADDRESS,
    MICROSOFT_EXTENSIONS,
    NAME,
    dns,
    extensions,
    in_pem,
    os_version,
    request,
    tlv,
)

RSA = sign_request(generate("RSA", "2048"), NAME, ["www.nordhafen.example", "192.0.2.7"])
DERS = (
    read_request(RSA).pem,
    in_pem(request(extensions(dns(NAME), tlv(0x86, b"https://a.example/")), os_version())),
    in_pem(request(extensions(dns(NAME), kind=MICROSOFT_EXTENSIONS), extensions(dns(NAME)))),
    in_pem(request(subject=[(DEVICE_NAME, NAME), (MAIL_ADDRESS, "a@b.example")])),
    in_pem(request(without_attributes=True)),
)
ORDER = {"common_name": NAME, "organization": "Nordhafen AG", "profile": "OV Single", "term": 365}


def binary(pem: str) -> bytes:
    """Return the DER in a PEM of ours."""
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """Return a request with bytes flipped, inserted, cut out, repeated or cut off."""
    der = bytearray(binary(draw(st.sampled_from(DERS))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(der) - 1, 0)))
        length = draw(st.integers(0, 40))
        match draw(st.integers(0, 5)):
            case 0 if der:
                der[at] ^= draw(st.integers(1, 255))
            case 1:
                der[at:at] = draw(st.binary(max_size=40))
            case 2:
                del der[at : at + length]
            case 3:
                der[at:at] = der[at : at + length]
            case 4:
                del der[at:]
            case _:
                der[at : at + 1] = draw(
                    st.sampled_from([b"\x30\x80", b"\x02\x01", b"\xa0", b"\xff"])
                )
    return bytes(der)


def read_or_refused(given_text: str | bytes) -> None:
    """Read a request; only the reader's own error may come out, whose text can be stored."""
    try:
        found = read_request(given_text)
    except SigningRequestError as refusal:
        said = str(refusal)
    else:
        said = " ".join((found.pem, *found.common_names, *found.names, *found.others))
        assert read_request(found.pem).pem == found.pem
    assert "\0" not in said
    said.encode()


@settings(max_examples=400)
@given(altered())
def test_an_altered_request_is_read_or_refused(der: bytes) -> None:
    read_or_refused(der)
    read_or_refused(in_pem(der))


@settings(max_examples=100)
@given(st.sampled_from(DERS), st.data())
def test_an_altered_text_is_read_or_refused(pem: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(pem)))
    length = data.draw(st.integers(0, 80))
    more = data.draw(st.text(max_size=20) | st.just(pem) | st.just("\udcff"))
    text = pem[:at] + more + pem[at + length :]

    read_or_refused(text)
    for encoding in ("utf-8", "utf-16", "latin-1"):
        read_or_refused(text.encode(encoding, "replace"))


@settings(max_examples=100)
@given(st.text() | st.binary())
@example(b"0\x84\xff\xff\xff\xff")
@example(b"\x30" * 100_000)
@example("-----BEGIN CERTIFICATE REQUEST-----")
def test_anything_else_is_refused(anything: str | bytes) -> None:
    with pytest.raises(SigningRequestError):
        read_request(anything)


@settings(max_examples=100)
@given(altered())
def test_a_command_with_an_altered_request_is_taken_or_names_the_field(der: bytes) -> None:
    problems = []
    try:
        read_payload(OrderCommand, ORDER | {"csr": in_pem(der)})
    except BadCommandError as refusal:
        problems = refusal.problems

    assert [problem.partition(":")[0] for problem in problems] in ([], ["csr"])
