"""What a hostile SCM tries, or a proxy that reads along: to use up processor or memory of a worker."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from certline.workers.keys import Broken, Unreadable, build_chain, read_certificates
from certline.workers.keys.chain import chain_of
from certline.workers.keys.links import MOST_SIGNATURES, Links
from certline.workers.keys.pem_blocks import pem_blocks
from certline.workers.scm import Garbled, Login, ReportQuery, ScmClient, ScmError
from certline.workers.scm.api import certificates, pagination
from certline.workers.scm.transport import json_reader
from tests.unit.keys.authority import Authority
from tests.unit.scm.odd_server import OddServer, Seen, as_json, http

BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
KIB, MIB = 1024, 1024 * 1024


@contextmanager
def within_a_second() -> Iterator[None]:
    """Check that the block takes less than a second of this thread's processor time."""
    # A collection of the garbage of all tests before takes more than a second by itself.
    gc.collect()
    gc.disable()
    try:
        begun = time.thread_time()
        yield
        assert time.thread_time() - begun < 1
    finally:
        gc.enable()


@contextmanager
def within(most: int) -> Iterator[None]:
    """Check that the block holds at most so many bytes at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


def a_client(server: OddServer) -> ScmClient:
    return ScmClient(Login(server.url, "c", "l", "secret"))


@pytest.fixture(scope="module")
def twins() -> tuple[Authority, list[x509.Certificate]]:
    """Return a leaf, and 400 CAs with the name of its issuer, none of which has issued it."""
    key = Authority.root("X").key
    cas = [Authority.root("X", key=key, days=number % 5) for number in range(400)]
    other = Authority.root("X")  # none of the 400 has its key
    return other.issue("shop.example"), [ca.cert for ca in cas]


@pytest.mark.parametrize(
    "body",
    [
        BEGIN * (448 * KIB // len(BEGIN)),
        (BEGIN + b"\n") * (448 * KIB // len(BEGIN)) + END,
        BEGIN * 8_000 + b"-----END PKCS7-----" * 8_000,
        (BEGIN + END) * 8_000,
        b"-----BEGIN " * (448 * KIB // 11),
        b"-" * 448 * KIB,
    ],
    ids=["begin", "begin and one end", "ends of another kind", "empty", "half a mark", "dashes"],
)
def test_a_body_of_beginnings_without_end_is_scanned_in_no_time(body: bytes) -> None:
    with within_a_second(), pytest.raises(Unreadable):
        read_certificates(body)


def test_four_hundred_cas_of_one_name_are_not_all_read(
    twins: tuple[Authority, list[x509.Certificate]],
) -> None:
    leaf, cas = twins
    body = b"".join(cert.public_bytes(Encoding.PEM) for cert in [leaf.cert, *cas])

    with within_a_second(), pytest.raises(Unreadable, match="more than 20 certificates"):
        read_certificates(body)


def test_four_hundred_cas_of_one_name_in_one_pkcs_7_are_not_all_taken(
    twins: tuple[Authority, list[x509.Certificate]],
) -> None:
    leaf, cas = twins
    body = pkcs7.serialize_certificates([leaf.cert, *cas], Encoding.DER)

    with within_a_second(), pytest.raises(Unreadable, match="more than 20 certificates"):
        read_certificates(body)


def test_four_hundred_cas_of_one_name_cost_no_more_than_a_bounded_number_of_signatures(
    twins: tuple[Authority, list[x509.Certificate]],
) -> None:
    leaf, cas = twins

    with within_a_second(), pytest.raises(Broken, match=f"more than {MOST_SIGNATURES} signatures"):
        build_chain([leaf.cert, *cas], leaf.sha256)


def test_cas_that_sign_one_another_cost_no_more_than_a_bounded_number_of_signatures() -> None:
    root = Authority.root("X")
    cas = [root.issue("X", ca=True, key=root.key, days=number % 7) for number in range(19)]
    leaf = Authority.root("X").issue("shop.example")

    with within_a_second(), pytest.raises(Broken):
        chain_of(leaf.cert, [ca.cert for ca in cas])


def test_a_signature_is_verified_once() -> None:
    root = Authority.root("R")
    leaf = root.issue("shop.example")
    links = Links([root.cert])
    for _ in range(2 * MOST_SIGNATURES):
        assert links.issued(root.cert, leaf.cert)


def test_twenty_certificates_are_read_and_a_chain_of_many_with_them() -> None:
    line = [Authority.root("0")]
    for number in range(1, 19):
        line.append(line[-1].issue(str(number), ca=True))
    leaf = line[-1].issue("shop.example")
    body = b"".join(each.cert.public_bytes(Encoding.PEM) for each in [*line, leaf])

    chain = build_chain(read_certificates(body), leaf.sha256)

    assert len(chain.issuers) == 19


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (BEGIN + b"a" + END + BEGIN + b"b" + END, [(b"CERTIFICATE", b"a"), (b"CERTIFICATE", b"b")]),
        (BEGIN + b"a" + BEGIN + b"b" + END, [(b"CERTIFICATE", b"a" + BEGIN + b"b")]),
        (BEGIN + b"-----BEGIN PKCS7-----x-----END PKCS7-----", [(b"PKCS7", b"x")]),
        (END + BEGIN, []),
        (
            b"-----BEGIN X509 CERTIFICATE-----x-----END X509 CERTIFICATE-----",
            [(b"X509 CERTIFICATE", b"x")],
        ),
    ],
)
def test_blocks_are_found_as_they_are_written(
    body: bytes, kinds: list[tuple[bytes, bytes]]
) -> None:
    assert list(pem_blocks(body)) == kinds


@pytest.mark.parametrize("size", [certificates.MOST_COLLECTED + 1, 448 * KIB])
def test_a_certificate_larger_than_any_is_not_collected(size: int) -> None:
    body = BEGIN + b"a" * (size - len(BEGIN))
    with (
        OddServer([http("200 OK", body)]) as server,
        pytest.raises(Garbled, match="more than 65536"),
    ):
        a_client(server).collect(5)


def test_a_certificate_of_many_names_is_collected() -> None:
    root = Authority.root("R")
    body = b"".join(root.cert.public_bytes(Encoding.PEM) for _ in range(80))
    body = body[: certificates.MOST_COLLECTED]
    with OddServer([http("200 OK", body)]) as server:
        assert a_client(server).collect(5) == body


# The values of JSON that take most memory for their size.
DENSE = {
    "objects": b"[" + b"{}," * (16 * MIB // 3) + b"{}]",
    "lists": b"[" + b"[]," * (16 * MIB // 3) + b"[]]",
    "pairs": b"[" + b'{"a":0},' * (16 * MIB // 8) + b"{}]",
    "numbers": b"[" + b"1," * (8 * MIB) + b"1]",
}
CALLS: dict[str, Callable[[ScmClient], object]] = {
    "list": lambda scm: scm.organizations(),
    "page": lambda scm: scm.certificates(),
    "details": lambda scm: scm.details(5),
    "report": lambda scm: scm.ssl_report(ReportQuery()),
}


@pytest.mark.parametrize("size", [4 * MIB - 1, 16 * MIB])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", DENSE)
def test_an_answer_of_empty_values_is_refused_before_it_is_parsed(
    kind: str, call: str, size: int
) -> None:
    body = DENSE[kind][:size]
    with OddServer([http("200 OK", body)]) as server:
        scm = a_client(server)
        with within(60 * MIB), pytest.raises(ScmError, match=r"more than [0-9]+ (bytes|values)"):
            CALLS[call](scm)


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_just_below_the_limit_takes_bounded_memory(call: str) -> None:
    count = json_reader.MOST_VALUES // 2 - 10
    body = b"[" + b'{"a":0},' * count + b"{}]"
    with OddServer([http("200 OK", body)]) as server:
        scm = a_client(server)
        with within(150 * MIB), pytest.raises(ScmError):
            CALLS[call](scm)


def test_an_error_with_a_body_of_empty_values_is_an_ordinary_error() -> None:
    with OddServer([http("500 Broken", DENSE["objects"][: 3 * MIB])]) as server:
        scm = a_client(server)
        with within(60 * MIB), pytest.raises(ScmError):
            scm.details(5)


def test_an_error_page_of_angle_brackets_is_read_in_no_time() -> None:
    with OddServer([http("502 Bad Gateway", b"<" * (3 * MIB))]) as server:
        scm = a_client(server)
        with within_a_second(), pytest.raises(ScmError):
            scm.details(5)


def test_a_list_that_never_ends_is_given_up_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pagination, "MOST_BYTES", 200_000)

    def page(seen: Seen) -> bytes:
        position = int(seen.target.rpartition("position=")[2])
        names = "x" * 100
        return as_json(
            "200 OK",
            [{"id": number + 1, "name": names} for number in range(position, position + 200)],
        )

    with OddServer([page]) as server, pytest.raises(Garbled, match="a list of more than 200000"):
        a_client(server).domains()

    assert 5 < len(server.seen) < 20


def test_a_real_page_and_a_real_report_are_far_below_the_limits() -> None:
    """200 rows of 100 names each, and a report of 2,000 rows of 30 columns."""
    names = [f"host{number}.nordhafen.example" for number in range(100)]
    page = [
        {"sslId": n + 1, "commonName": names[0], "subjectAlternativeNames": names}
        for n in range(200)
    ]
    columns = {f"column{number}": "x" * 20 for number in range(29)}
    report = {"statusCode": 0, "reports": [{"id": n + 1, **columns} for n in range(2_000)]}
    with OddServer([as_json("200 OK", page), as_json("200 OK", report)]) as server:
        scm = a_client(server)
        assert len(scm.certificate_page().rows) == 200
        assert len(scm.ssl_report(ReportQuery())) == 2_000
