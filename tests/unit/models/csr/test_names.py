"""Tests of the names in a signing request: all of them are seen, wherever they are."""

import pytest

from certline.models.csr.armor import SigningRequestError
from certline.models.csr.request import read_request
from tests.support.factories import a_profile
from tests.support.signing_requests import (
    COMMON_NAME,
    DEVICE_NAME,
    MAIL_ADDRESS,
    MICROSOFT_EXTENSIONS,
    NAME,
    dns,
    extensions,
    in_pem,
    request,
    tlv,
)
from tests.unit.models.orders.checking import checked, problems_of

OTHER = "evil.example.com"
OWN = (COMMON_NAME, NAME)


def problems(der: bytes, *sans: str) -> list[str]:
    """Return the problems of an order with this request."""
    return problems_of({"common_name": NAME, "sans": list(sans), "csr": in_pem(der)})


@pytest.mark.parametrize(
    "der",
    [
        request(extensions(dns(OTHER))),
        request(extensions(dns(NAME)), extensions(dns(OTHER), kind=MICROSOFT_EXTENSIONS)),
        request(extensions(dns(NAME)), extensions(dns(OTHER))),
        request(subject=[OWN, (COMMON_NAME, OTHER)]),
        request(subject=[OWN, (DEVICE_NAME, OTHER)]),
        request(extensions(dns(OTHER.upper()))),
        request(extensions(dns(f"{NAME}\0.{OTHER}"))),
    ],
    ids=["san", "microsoft", "second attribute", "second cn", "device", "upper case", "nul"],
)
def test_a_name_that_was_not_ordered_is_refused_wherever_it_is(der: bytes) -> None:
    [problem] = problems(der)

    assert problem.startswith("csr: it has ")
    assert OTHER in problem.lower()
    assert "\0" not in problem


@pytest.mark.parametrize(
    ("der", "says"),
    [
        (request(extensions(tlv(0x81, b"a@b.example"))), "the mail address a@b.example"),
        (request(extensions(tlv(0x86, b"https://b.example/"))), "the URI https://b.example/"),
        (request(extensions(tlv(0x88, b"\x2a"))), "a registered id"),
        (request(extensions(tlv(0xA0, b""))), "a name of another type"),
        (request(extensions(tlv(0xA4, b""))), "a directory name"),
        (request(extensions(tlv(0x87, b"\1"))), "an IP address that can't be read"),
        (request(subject=[OWN, (MAIL_ADDRESS, "a@b.example")]), "the mail address a@b.example in"),
    ],
    ids=["mail", "uri", "registered", "other", "directory", "ip", "subject"],
)
def test_a_name_that_cannot_be_ordered_is_refused(der: bytes, says: str) -> None:
    [problem] = problems(der)

    assert problem.startswith("csr: it has names that can't be ordered: ")
    assert says in problem


def test_ordered_names_pass() -> None:
    der = request(extensions(dns(NAME.upper()), dns(f"www.{NAME}")))
    wanted = {"common_name": NAME, "sans": [f"www.{NAME}"], "csr": in_pem(der)}

    assert checked(wanted).warnings == []


def test_addresses_are_read_as_text() -> None:
    named = [tlv(0x87, bytes([192, 0, 2, 7])), tlv(0x87, bytes(15) + b"\1")]

    assert read_request(request(extensions(*named))).names == ("192.0.2.7", "::1")


@pytest.mark.parametrize("name", [tlv(0x02, b"\1"), tlv(0x89, b"\1"), b"\x82\x7f"])
def test_names_that_cannot_be_read_refuse_the_request(name: bytes) -> None:
    with pytest.raises(SigningRequestError, match="can be read"):
        read_request(request(extensions(name)))


def test_a_request_without_a_common_name_is_for_its_first_name() -> None:
    der = request(extensions(dns(NAME)), subject=[("2.5.4.10", "Nordhafen AG")])

    assert read_request(der).common_name == NAME


def test_the_key_of_a_request_is_judged_by_the_profile() -> None:
    only_rsa = [a_profile(key_types={"RSA": ["2048"]})]

    assert problems_of({"common_name": NAME, "csr": in_pem(request())}, profiles=only_rsa) == [
        "csr: 'OV Single' does not allow EC; allowed: RSA 2048"
    ]
