"""Tests of CSRs that the simulator reads although cryptography does not, as SCM's Java does."""

import pytest

from certline.simulator.state.csr import read
from certline.simulator.wire.answers import Refusal
from tests.support.signing_requests import NAME, dns, extensions, in_pem, os_version, request

ODD = {
    "without attributes": request(without_attributes=True),
    "unsorted": request(extensions(dns(NAME), dns(f"www.{NAME}")), os_version()),
}


@pytest.mark.parametrize("kind", ODD)
def test_attributes_may_be_missing_or_unsorted(kind: str) -> None:
    found = read(in_pem(ODD[kind]))

    assert (found.common_name, found.key.algorithm, found.key.param) == (NAME, "EC", "P-256")


@pytest.mark.parametrize("kind", ODD)
def test_such_a_request_must_be_signed_all_the_same(kind: str) -> None:
    altered = ODD[kind].replace(NAME.encode(), NAME[::-1].encode(), 1)

    with pytest.raises(Refusal):
        read(in_pem(altered))


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_request_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(Refusal):
        read(in_pem(ODD["without attributes"][:length]))
