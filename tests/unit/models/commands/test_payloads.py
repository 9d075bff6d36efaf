"""Tests of command payloads, and of the errors for invalid ones."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from certline.models.commands.fields import dns_name
from certline.models.commands.kinds import KINDS
from certline.models.commands.payloads import ImportCommand, OrderCommand, PollCommand, read_payload
from certline.models.states import CommandType
from certline.models.validation import BadCommandError

ORDER: dict[str, Any] = {
    "common_name": "shop.nordhafen.example",
    "organization": "Nordhafen AG",
    "profile": "OV Single",
    "term": 365,
}


def problems_of(kind: str = "order", /, **named: Any) -> list[str]:
    """Return the problems of a command."""
    data = {**(ORDER if kind == "order" else {}), **named}
    with pytest.raises(BadCommandError) as refusal:
        read_payload(KINDS[CommandType(kind)].payload, data)
    return refusal.value.problems


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_field_is_refused_by_name(kind: str) -> None:
    assert "colour: there is no such field" in problems_of(kind, colour="blue")


def test_every_missing_field_is_named() -> None:
    with pytest.raises(BadCommandError) as refusal:
        read_payload(OrderCommand, {})

    assert refusal.value.problems == [
        f"{field}: is missing" for field in ("common_name", "organization", "profile", "term")
    ]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("common_name", "not a name", "'not a name' is not a host name"),
        ("common_name", 7, "valid string"),
        ("term", 0, "greater than 0"),
        ("term", "a year", "valid integer"),
        ("term", True, "valid integer"),
        ("term", 36_501, "36500"),
        ("term", 10**10, "36500"),
        ("organization", None, "should be a name or an id"),
        ("organization", True, "should be a name or an id"),
        ("organization", ["Nordhafen AG"], "should be a name or an id"),
        ("profile", " ", "should be a name or an id"),
        ("comments", "a\0b", "contains the character NUL"),
        ("external_requesters", ["i\0da@nordhafen.example"], "contains the character NUL"),
        ("custom_fields", {"Cost centre": "\0"}, "contains the character NUL"),
        ("custom_fields", {"Cost\0centre": "7"}, "contains the character NUL"),
        ("key_algorithm", "DSA", "'DSA' is not one of 'RSA' or 'EC'"),
        ("key_size", "1024", "'1024' is not one of '2048', '3072', '4096', 'P-256' or 'P-384'"),
        ("keystore_type", "ZIP", "'ZIP' is not one of 'PKCS12', 'JKS' or 'PEM'"),
        ("comments", None, "valid string"),
        ("csr", "x" * 32768, "has 32768 characters, at most 32767 are allowed"),
    ],
)
def test_a_bad_field_is_named_in_a_sentence(field: str, value: object, says: str) -> None:
    [problem] = problems_of(**{field: value})

    assert problem.startswith(f"{field}: ")
    assert says in problem


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("sans", ["www.nordhafen.example", "no name"], "sans.1: "),
        ("external_requesters", ["ida@nordhafen.example", "ida"], "external_requesters.1: "),
        ("custom_fields", {"Cost centre": "x" * 257}, "custom_fields.Cost centre: "),
    ],
)
def test_a_bad_member_is_named_with_its_place(field: str, value: object, place: str) -> None:
    [problem] = problems_of(**{field: value})

    assert problem.startswith(place)


def test_a_comment_that_is_too_long_says_its_length_and_the_limit() -> None:
    assert problems_of(comments="x" * 1025) == [
        "comments: has 1025 characters, at most 1024 are allowed"
    ]


def test_a_comment_of_exactly_the_limit_is_taken() -> None:
    wanted = read_payload(OrderCommand, ORDER | {"comments": "ä" * 1024})

    assert len(wanted.comments) == 1024


def test_all_problems_are_said_at_once() -> None:
    assert len(problems_of(term=-1, key_size="1", colour="blue", sans=["a"])) == 4


def test_a_secret_is_not_repeated_in_the_problem() -> None:
    [problem] = problems_of(keystore_password_sealed=["hunter2"])

    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("Shop.Nordhafen.Example", "shop.nordhafen.example"),
        ("  shop.nordhafen.example. ", "shop.nordhafen.example"),
        ("*.Nordhafen.example", "*.nordhafen.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("*.Bücher.example", "*.xn--bcher-kva.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_is_kept_in_its_one_plain_form(given_name: str, kept: str) -> None:
    assert dns_name(given_name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "localhost",
        "*",
        "*.",
        "*.example",
        "*.*.nordhafen.example",
        "shop.*.nordhafen.example",
        "w*.nordhafen.example",
        "a..example",
        ".nordhafen.example",
        "-a.example",
        "a-.example",
        "bü cher.example",
        "a b.example",
        "a\n.example",
        "https://shop.nordhafen.example",
        "shop.nordhafen.example:443",
        "a@nordhafen.example",
        "a_b.example",
        "1.2.3.4",
        "\N{KELVIN SIGN}iosk.example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        dns_name(name)


@given(st.text())
@example("A.B.")
def test_a_kept_name_stays_as_it_is(text: str) -> None:
    try:
        kept = dns_name(text)
    except ValueError:
        return

    assert dns_name(kept) == kept
    assert kept.isascii()


@pytest.mark.parametrize(
    "address", ["ida", "ida@host", "@a.b", "a@b@c.d", "a b@c.d", "a@b.c,d@e.f"]
)
def test_what_is_no_mail_address_is_refused(address: str) -> None:
    assert problems_of(external_requesters=[address]) == [
        f"external_requesters.0: {address!r} is not a mail address"
    ]


def test_an_organisation_may_be_named_by_its_number() -> None:
    wanted = read_payload(OrderCommand, ORDER | {"organization": 9102})

    assert wanted.organization == "9102"


def test_a_poll_without_an_order_is_meant_for_all() -> None:
    poll = read_payload(PollCommand, {})

    assert poll.order is None


@pytest.mark.parametrize(
    "named", [{}, {"certificate": "www.nordhafen.example", "order": "scm:5"}], ids=["none", "both"]
)
def test_a_revocation_names_a_certificate_or_an_order(named: dict[str, str]) -> None:
    [problem] = problems_of("revoke", comments="leaked", **named)

    assert problem == "the command: should name a certificate or an order, and not both"


@pytest.mark.parametrize(
    ("kind", "field"), [("reissue", "reason"), ("revoke", "comments")], ids=["reissue", "revoke"]
)
@pytest.mark.parametrize("text", ["", "   ", "x" * 513])
def test_what_scm_is_told_as_a_reason_has_1_to_512_characters(
    kind: str, field: str, text: str
) -> None:
    [problem] = problems_of(kind, certificate="abc", **{field: text})

    assert problem.startswith(f"{field}: ")
    assert read_payload(KINDS[CommandType(kind)].payload, {"certificate": "abc", field: "x" * 512})


def test_a_reason_code_is_one_of_the_contracts_words() -> None:
    [problem] = problems_of("revoke", certificate="abc", comments="x", reason_code="leaked")

    assert problem.startswith("reason_code: 'leaked' is not one of 'unspecified', 'key-compromise'")


@pytest.mark.parametrize("kind", ["renew", "reissue", "revoke"])
@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 254])
def test_a_certificate_has_a_name(kind: str, name: str) -> None:
    more = {"renew": {}, "reissue": {"reason": "x"}, "revoke": {"comments": "x"}}[kind]

    assert any(
        "certificate: " in problem for problem in problems_of(kind, certificate=name, **more)
    )


def test_orders_of_an_import_are_numbers_or_texts() -> None:
    assert read_payload(ImportCommand, {"order": [4711, "scm:4712"]}).model_dump()["order"] == [
        4711,
        4712,
    ]
