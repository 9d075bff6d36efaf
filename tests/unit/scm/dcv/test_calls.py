"""Tests of the calls that validate a domain: what is sent, and how SCM's answers are read."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from certline.workers.scm import (
    DcvAnswer,
    DcvMethod,
    DcvOrderStatus,
    DcvProof,
    DcvState,
    DcvStatus,
    Garbled,
    NeedsPerson,
    NotFound,
    OutcomeUnknown,
    Refused,
    ScmClient,
    ScmError,
)
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import RESET, OddServer, as_json, http, ok

NAME = "nordhafen.example"
NO_PATH = http("404 Not Found", b"<html>no such path</html>")

SUBMITTED = {
    "status": "Expired",
    "orderStatus": "Submitted",
    "orderMode": "CNAME",
    "host": "_4ab.nordhafen.example.",
    "point": "4ab.9cd.sectigo.com.",
    "validationDate": "2026-03-02",
    "expirationDate": "2026-09-16",
    "orderBackendId": 2907713345,
    "submittedDate": "2026-09-20T08:00:00.000Z",
    "lastCheck": "2026-09-20T08:10:00.000Z",
    "nextCheck": "2026-09-20T08:20:00.000Z",
}
CALLS: dict[str, Callable[[ScmClient], object]] = {
    "validation_status": lambda scm: scm.validation_status(NAME),
    "start_validation": lambda scm: scm.start_validation(NAME, DcvMethod.CNAME),
    "submit_validation": lambda scm: scm.submit_validation(NAME, DcvMethod.CNAME),
    "sync_validation": lambda scm: scm.sync_validation(NAME),
    "clear_validation": lambda scm: scm.clear_validation(NAME),
}


def refusal(code: int, words: str = "no") -> bytes:
    """Return SCM's refusal with a code."""
    return as_json("400 Bad Request", {"code": code, "description": words})


def test_the_status_of_a_validation_is_read(connect: Connect) -> None:
    with OddServer([ok(SUBMITTED)]) as server:
        found = connect(server).validation_status(NAME)

        assert server.seen[0].target == "POST /api/dcv/v2/validation/status"
        assert server.seen[0].json() == {"domain": NAME}
    assert found == DcvState(
        DcvStatus.EXPIRED,
        DcvOrderStatus.SUBMITTED,
        DcvMethod.CNAME,
        DcvProof(DcvMethod.CNAME, host="_4ab.nordhafen.example", point="4ab.9cd.sectigo.com"),
        date(2026, 3, 2),
        date(2026, 9, 16),
        order_id="2907713345",
        submitted=datetime(2026, 9, 20, 8, tzinfo=UTC),
        last_check=datetime(2026, 9, 20, 8, 10, tzinfo=UTC),
        next_check=datetime(2026, 9, 20, 8, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "word", ["NOT_VALIDATED", "Not validated", "not_validated", "NotValidated"]
)
def test_a_state_is_read_in_both_spellings(word: str) -> None:
    assert DcvStatus.read(word) is DcvStatus.NOT_VALIDATED


@pytest.mark.parametrize("word", ["AWAITING_SUBMISSION", "Awaiting submission"])
def test_the_state_of_an_order_is_read_in_both_spellings(word: str) -> None:
    assert DcvOrderStatus.read(word) is DcvOrderStatus.AWAITING_SUBMISSION


def test_a_word_we_do_not_know_is_unknown(connect: Connect) -> None:
    body = {"status": "PARTLY_VALIDATED", "orderStatus": "", "orderMode": "PIGEON", "host": "a"}
    with OddServer([ok(body)]) as server:
        found = connect(server).validation_status(NAME)

    assert found == DcvState(DcvStatus.UNKNOWN, DcvOrderStatus.UNKNOWN)


@pytest.mark.parametrize(
    ("word", "method"),
    [
        ("CNAME", DcvMethod.CNAME),
        ("cname", DcvMethod.CNAME),
        ("CNAME_CSR_HASH", DcvMethod.CNAME),
        ("DNSTXT_RANDOM_VALUE", DcvMethod.TXT),
        ("TXT", DcvMethod.TXT),
        ("HTTP_CSR_HASH", DcvMethod.HTTP),
        ("HTTPS_CSR_HASH", DcvMethod.HTTPS),
        ("EMAIL", DcvMethod.EMAIL),
        ("", None),
        ("PIGEON", None),
    ],
)
def test_a_method_is_read_in_each_of_scms_words(word: str, method: DcvMethod | None) -> None:
    assert DcvMethod.read(word) is method


@pytest.mark.parametrize(
    ("body", "proof"),
    [
        (
            {"host": "_4ab.nordhafen.example.", "point": "4ab.9cd.sectigo.com."},
            DcvProof(DcvMethod.CNAME, host="_4ab.nordhafen.example", point="4ab.9cd.sectigo.com"),
        ),
        (
            {"url": "http://a.example/4.txt", "firstLine": "4ab", "secondLine": "sectigo.com"},
            DcvProof(
                DcvMethod.HTTP,
                url="http://a.example/4.txt",
                first_line="4ab",
                second_line="sectigo.com",
            ),
        ),
        (
            {"url": "https://a.example/4.txt", "firstLine": "4ab"},
            DcvProof(DcvMethod.HTTPS, url="https://a.example/4.txt", first_line="4ab"),
        ),
        (
            {
                "emails": ["admin@a.example", "hostmaster@a.example"],
                "dcvEmails": [
                    {"domainName": "a.example", "adminEmails": ["admin@a.example"]},
                    {"domainName": "a.example", "whoisEmails": ["owner@a.example"]},
                ],
            },
            DcvProof(
                DcvMethod.EMAIL,
                emails=("admin@a.example", "hostmaster@a.example", "owner@a.example"),
            ),
        ),
    ],
    ids=lambda value: str(value.method) if isinstance(value, DcvProof) else "",
)
def test_a_start_says_what_to_publish(connect: Connect, body: object, proof: DcvProof) -> None:
    with OddServer([ok(body)]) as server:
        assert connect(server).start_validation(NAME, proof.method) == proof

        path = f"/api/dcv/v1/validation/start/domain/{proof.method}"
        assert server.seen[0].target == f"POST {path}"
        assert server.seen[0].json() == {"domain": NAME}
    assert proof.is_known


@pytest.mark.parametrize(
    "method", [DcvMethod.CNAME, DcvMethod.HTTP, DcvMethod.HTTPS, DcvMethod.EMAIL]
)
def test_a_start_that_does_not_say_what_to_publish_is_garbled(
    connect: Connect, method: DcvMethod
) -> None:
    with (
        OddServer([ok({"message": "started", "host": "_4ab.a.example"})]) as server,
        pytest.raises(Garbled),
    ):
        connect(server).start_validation(NAME, method)


def test_a_text_record_may_be_told_by_the_submission_only(connect: Connect) -> None:
    body = {
        "status": "NOT_VALIDATED",
        "orderStatus": "SUBMITTED",
        "message": "DCV status: Not Validated",
        "orderBackendId": "2907713345",
        "host": "_pki-validation.nordhafen.example.",
        "point": "4AB9.",
    }
    with OddServer([ok({"message": "submit it now"}), ok(body)]) as server:
        started = connect(server).start_validation(NAME, DcvMethod.TXT)
        submitted = connect(server).submit_validation(NAME, DcvMethod.TXT)

        assert [seen.target for seen in server.seen] == [
            "POST /api/dcv/v2/validation/start/domain/txt",
            "POST /api/dcv/v1/validation/submit/domain/txt",
        ]
    assert (started.is_known, started.method) == (False, DcvMethod.TXT)
    assert submitted == DcvAnswer(
        DcvStatus.NOT_VALIDATED,
        DcvOrderStatus.SUBMITTED,
        "DCV status: Not Validated",
        "2907713345",
        # The final dot of a text is a part of it.
        proof=DcvProof(DcvMethod.TXT, host="_pki-validation.nordhafen.example", point="4AB9."),
    )


def test_a_host_that_cannot_start_a_text_record_needs_no_start(connect: Connect) -> None:
    with OddServer([NO_PATH]) as server:
        found = connect(server).start_validation(NAME, DcvMethod.TXT)

        assert len(server.seen) == 1
    assert found == DcvProof(DcvMethod.TXT)


def test_a_submission_by_mail_names_the_address(connect: Connect) -> None:
    body = {"orderStatus": "SUBMITTED", "emailValidationReferenceNumber": "77"}
    with OddServer([ok(body)]) as server:
        client = connect(server)
        found = client.submit_validation(NAME, DcvMethod.EMAIL, "admin@nordhafen.example")

        assert server.seen[0].json() == {"domain": NAME, "email": "admin@nordhafen.example"}
        with pytest.raises(ValueError, match="address"):
            client.submit_validation(NAME, DcvMethod.EMAIL)
        with pytest.raises(ValueError, match="address"):
            client.submit_validation(NAME, DcvMethod.TXT, "admin@nordhafen.example")
        assert len(server.seen) == 1
    assert found.email_reference == "77"


def test_a_synchronisation_asks_the_ca(connect: Connect) -> None:
    with OddServer([ok({"status": "VALIDATED", "orderStatus": "NOT_INITIATED"})]) as server:
        found = connect(server).sync_validation(NAME)

        assert server.seen[0].target == "POST /api/dcv/v1/validation/sync?force=true"
    assert found == DcvAnswer(DcvStatus.VALIDATED, DcvOrderStatus.NOT_INITIATED)


@pytest.mark.parametrize("operation", ["sync_validation", "clear_validation"])
def test_an_empty_answer_is_enough_where_none_is_documented(
    connect: Connect, operation: str
) -> None:
    for empty in (http("200 OK"), b"HTTP/1.1 204 No Content\r\n\r\n"):
        with OddServer([empty]) as server:
            assert CALLS[operation](connect(server)) == DcvAnswer()
    with OddServer([http("200 OK", b"<html>maintenance</html>")]) as server, pytest.raises(Garbled):
        CALLS[operation](connect(server))


@pytest.mark.parametrize("operation", CALLS)
def test_a_host_that_lacks_the_path_is_asked_in_the_other_version(
    connect: Connect, operation: str
) -> None:
    body = {**SUBMITTED, "message": ""}
    with OddServer([NO_PATH, ok(body)]) as server:
        CALLS[operation](connect(server))

        asked = ["v2" if "/dcv/v2/" in seen.target else "v1" for seen in server.seen]
    assert asked == (["v2", "v1"] if operation == "validation_status" else ["v1", "v2"])


@pytest.mark.parametrize("operation", CALLS)
def test_a_domain_that_scm_does_not_have_is_not_asked_for_twice(
    connect: Connect, operation: str
) -> None:
    gone = as_json("404 Not Found", {"code": -727, "description": "Domain not found."})
    for answer in (gone, refusal(-727)):
        with OddServer([answer]) as server:
            with pytest.raises(NotFound):
                CALLS[operation](connect(server))
            assert len(server.seen) == 1


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("code", "error", "advice"),
    [
        (-3, NeedsPerson, "allowDCV"),
        (-1608, NeedsPerson, "isn't enabled for the customer"),
        (-715, NeedsPerson, "activate the domain"),
        (-1603, NeedsPerson, "can't validate"),
        (-723, Refused, "the domain above it"),
        (-724, Refused, "read its status"),
    ],
)
def test_a_refusal_says_what_to_do(
    connect: Connect, operation: str, code: int, error: type[ScmError], advice: str
) -> None:
    with OddServer([refusal(code)]) as server:
        with pytest.raises(error) as caught:
            CALLS[operation](connect(server))

        assert len(server.seen) == 1
    assert type(caught.value) is error
    assert advice in caught.value.advice
    assert caught.value.code == code


@pytest.mark.parametrize("operation", CALLS)
def test_a_lost_answer_leaves_the_outcome_unknown_and_is_not_repeated(
    connect: Connect, operation: str
) -> None:
    for lost in (RESET, http("504 Gateway Timeout", b"upstream")):
        with OddServer([lost]) as server:
            with pytest.raises(OutcomeUnknown):
                CALLS[operation](connect(server))
            server.wait_for_request()
            assert len(server.seen) == 1
